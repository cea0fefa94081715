#!/bin/sh
# Quantized networks through the pipeline's kernels, from the command line: pipeline_test.sh SOURCE_DIR TERCEL.
. "$(dirname "$0")/journey.sh"

net=$source/tests/quantized/i8.onnx
npy x.npy 1,3,32,32 12288
exits 0 '' run "$net" --engine reference -i x.npy -o wanted.npy

# ---- the simulated stages need nothing

exits 0 '' run "$net" --engine pipeline:executor=simulated -i x.npy -o simulated.npy
same_files simulated.npy wanted.npy 'the simulated stages give other bytes than the reference kernels'
exits 0 '' fpga simulate "$net" --point vec=16,lane=16
says 'cycles simulated'
says 'byte for byte'
exits 0 '' fpga simulate "$net" --point vec=8,lane=16 --json && is_json simulate

# ---- what is refused, and in which words

exits 2 'quantize the network first' run "$resnet" --engine pipeline:executor=simulated -i x.npy -o y.npy
exits 2 'quantize the weights symmetrically' fpga simulate "$source/tests/quantized/u8.onnx" --point vec=16,lane=16
exits 2 'the simulation has no design of vec 32 and lane 4' fpga simulate "$net" --point vec=32,lane=4
exits 2 'the buffer holds 8' fpga simulate "$net" --point vec=16,lane=16,window_buffer_words=8
exits 2 'data_depth is 0' fpga simulate "$net" --point vec=16,lane=16,data_depth=0
exits 2 "there is no 'lanes'" fpga simulate "$net" --point lanes=16
exits 2 'wanted executor=opencl, channels or simulated' run "$net" --engine pipeline:executor=gpu -i x.npy -o y.npy
exits 2 'quantize the network first' fpga emit "$resnet" -o emitted
[ ! -e emitted ] && [ ! -e emitted.partial ] || failed 'a refused emit left a folder'
[ ! -e y.npy ] || failed 'a refused run left a file'

# ---- an emitted folder: written whole, into a new place only

exits 0 '' fpga emit "$net" --point vec=8,lane=16 -o emitted
for file in README.md build.sh host.cc layer.h layers.bin network.h pipeline.cl scales.bin weights.bin; do
  [ -s emitted/$file ] || failed "emitted/$file is missing"
done
exits 2 'is there already' fpga emit "$net" -o emitted
exits 0 '' fpga emit "$net" --point vec=8,lane=16 -o another --json && is_json emit

# ---- OpenCL

if ! "$tercel" run "$net" --engine pipeline -i x.npy -o opencl.npy >out 2>err; then
  grep -qE 'no OpenCL' err || failed "without OpenCL the pipeline says: $(cat err)"
  echo "OpenCL: left out, $(cat err)"
  finish
fi
same_files opencl.npy wanted.npy 'OpenCL gives other bytes than the reference kernels'
mkdir platforms
export OCL_ICD_VENDORS="$PWD/platforms/"
exits 2 'there is no OpenCL platform on this machine; install' run "$net" --engine pipeline -i x.npy -o y.npy
echo /nowhere/libnone.so >platforms/none.icd
exits 2 'there is no OpenCL platform on this machine; install' run "$net" --engine pipeline -i x.npy -o y.npy
unset OCL_ICD_VENDORS
npy digit.npy 1,1,28,28 3136
exits 0 '' run "$source/tests/quantized/lenet.onnx" --engine reference -i digit.npy -o digit-wanted.npy
exits 0 '' run "$source/tests/quantized/lenet.onnx" --engine pipeline:vec=8,lane=8 -i digit.npy -o digit-opencl.npy
same_files digit-opencl.npy digit-wanted.npy 'OpenCL gives other bytes of LeNet than the reference kernels'
exits 2 "no OpenCL platform 'nobody'" run "$net" --engine pipeline:platform=nobody -i x.npy -o y.npy

# Elements behind the header of a .npy file are what the emitted host takes and gives.
if command -v c++ >/dev/null && (cd emitted && ./build.sh) >out 2>err; then
  tail -c 12288 x.npy >emitted/in
  (cd emitted && ./host in out) 2>err || failed "the emitted host: $(cat err)"
  tail -c 40 wanted.npy >elements
  same_files emitted/out elements 'the emitted host gives other bytes than the reference kernels'
else
  echo "emitted host: left out, $(cat err)"
fi
finish
