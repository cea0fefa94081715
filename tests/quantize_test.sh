#!/bin/sh
# tercel quantize, from pictures to a file that other verbs read: quantize_test.sh SOURCE_DIR TERCEL.
. "$(dirname "$0")/journey.sh"

mkdir pictures none
for i in 1 2 3 4; do for photo in "$photos"/*.jpg; do { cat "$photo" && echo "$i"; } >"pictures/$i$(basename "$photo")"; done; done
few='--calibration-pictures 6 --judging-pictures 5'

exits 0 '' quantize "$resnet" --calibrate pictures $few -o r.int8.onnx
says 'pictures: 6 for calibration, 5 held out'
says '% agree'
says 'layer1.0/conv1/Conv'
says 'written to r.int8.onnx'
exits 0 '' quantize "$resnet" --calibrate pictures $few --threads 1 -o again.int8.onnx
same_files r.int8.onnx again.int8.onnx 'the same seed gave other bytes'
exits 0 '' quantize "$resnet" --calibrate pictures $few --json && is_json quantize
for word in agreement zero_point clipped weight_sqnr_db output_sqnr_db '"calibration": 6' '"judging": 5'; do says "$word"; done
[ "$(wc -c <r.int8.onnx)" -lt "$(($(wc -c <"$resnet") / 2))" ] || failed 'the quantized file is not smaller'

# What was written is a network as any other, and computes on levels.
exits 0 '' inspect r.int8.onnx --why
says simd_conv_levels
exits 0 '' classify r.int8.onnx "$cat" --json && is_json classify
exits 0 '' quantize "$resnet" --calibrate pictures $few -o r.int8.tercel
exits 0 '' decompress r.int8.tercel -o back.onnx
npy x.npy '1, 3, 32, 32' 12288
exits 0 '' run r.int8.onnx --input x.npy --output a.npy
exits 0 '' run back.onnx --input x.npy --output b.npy
same_files a.npy b.npy 'an int8 network changed in a .tercel file'

for options in '--range minmax' '--range percentile --percentile 99.9' '--activations i8' '--activations symmetric' '--no-bias-correction' \
  '--no-error-feedback' '--judge pictures' '--seed 7'; do
  exits 0 '' quantize "$resnet" --calibrate pictures $few $options
done
exits 0 '' quantize "$resnet" --calibrate pictures $few --keep logits
says 'in floats: 1 Add, 1 Gemm'  # and what only the Gemm reads

exits 2 '--calibrate is required' quantize "$resnet" -o no.onnx
exits 2 'nowhere: no such folder' quantize "$resnet" --calibrate nowhere -o no.onnx
exits 2 'none: holds no picture' quantize "$resnet" --calibrate none -o no.onnx
exits 2 'is quantized already' quantize r.int8.onnx --calibrate pictures -o no.onnx
exits 2 "has no node 'nothing' to keep" quantize "$resnet" --calibrate pictures --keep nothing -o no.onnx
exits 2 'minmax, percentile, mse' quantize "$resnet" --calibrate pictures --range entropy -o no.onnx
exits 2 'u8, i8, symmetric' quantize "$resnet" --calibrate pictures --activations i4 -o no.onnx
exits 2 'percentile: 3' quantize "$resnet" --calibrate pictures --percentile 3 -o no.onnx
exits 2 'ends in .onnx' quantize "$resnet" --calibrate pictures -o no.pt
exits 2 'makes 1x3x224x224' quantize "$resnet" --calibrate pictures --preprocess imagenet -o no.onnx
[ ! -e no.onnx ] || failed 'a file was written in spite of an error'

interrupt 1 quantize "$squeezenet" --calibrate pictures -o long.onnx
[ ! -e long.onnx ] || failed 'Ctrl-C left a file'

finish
