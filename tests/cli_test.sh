#!/bin/sh
# Drives the program as people and scripts do: cli_test.sh SOURCE_DIR TERCEL.
. "$(dirname "$0")/journey.sh"

# ---- help and words that are no verbs or flags

exits 2 'Usage:'
exits 0 '' --help
for verb in inspect classify run optimize compress decompress front bench; do
  exits 0 '' $verb --help
  grep -q -- --json out || failed "$verb --help: no word of --json"
  exits 2 --nonsense $verb --nonsense "$squeezenet" "$cat" --input x.npy -o x.onnx
  exits 2 required $verb
done
exits 2 "no verb 'nonsense'" nonsense "$squeezenet"

# ---- JSON

npy x.npy '1, 3, 32, 32' 12288
exits 0 '' inspect "$resnet" --json && is_json inspect
exits 0 '' inspect "$resnet" --why --json && is_json inspect --why
exits 0 '' classify "$squeezenet" "$cat" --json && is_json classify
exits 0 '' run "$resnet" --input x.npy --json && is_json run
exits 0 '' optimize "$resnet" --json && is_json optimize
exits 0 '' bench "$resnet" -n 2 --json && is_json bench
exits 2 --text inspect "$resnet" --text --json

# ---- models that are none

: >empty.onnx
mkdir folder.onnx
printf 'These are words, not a network.\n' >words.onnx
head -c 100000 "$resnet" >cut.onnx
head -c 7 "$resnet" >stub.onnx
for model in missing.onnx folder.onnx empty.onnx words.onnx cut.onnx stub.onnx "$cat"; do
  exits 2 "$model" inspect "$model"
  exits 2 "$model" classify "$model" "$cat"
  exits 2 "$model" optimize "$model" -o out.onnx
  exits 2 "$model" run "$model" --input x.npy
  exits 2 "$model" bench "$model"
done
[ ! -e out.onnx ] || failed 'optimize wrote a file for a model that is none'

# ---- pictures

base64 -d >tiny.png <<'END'
iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGM4UaEBAAN0AWnL+tDXAAAAAElFTkSuQmCC
END
exits 0 '' classify "$squeezenet" tiny.png
grep -q 'tiny.png: 1x1' out || failed "classify tiny.png: $(cat out)"
head -c 3000 "$cat" >cut.jpg
head -c 40 tiny.png >cut.png
for picture in missing.png folder.onnx empty.onnx words.onnx cut.jpg cut.png; do
  exits 2 "$picture" classify "$squeezenet" "$picture"
  exits 2 "$picture" classify "$squeezenet" "$cat" "$picture" --json  # the first is fine, the second is not
  is_json "classify --json $picture"
done

# ---- arguments

exits 2 "'polaroid'" classify "$squeezenet" "$cat" --preprocess polaroid
exits 2 labels.txt classify "$squeezenet" "$cat" --labels labels.txt
exits 2 --top classify "$squeezenet" "$cat" --top 0
exits 2 --threads classify "$squeezenet" "$cat" --threads -1
for shape in 1x3x224x224x 1x3xx224 1x3 1x3x-1x224 a 1x3x224x224.5 1x3x99999999999999999999x1 1x3x99999999999x224 1x3x225x224; do
  exits 2 "$shape" inspect "$squeezenet" --shape "$shape"
done
exits 2 "'no'" inspect "$squeezenet" --shape no=1x3x224x224
exits 2 allowed bench "$squeezenet" --shape 100000x3x224x224
export TERCEL_ISA=sse9
exits 2 "'sse9'" classify "$squeezenet" "$cat"
unset TERCEL_ISA

# ---- extents that are not fixed: those of the pictures, or a question that names the axis

dynamic=$source/tests/dynamic
exits 0 '' inspect "$dynamic/picture.onnx"
grep -q 'input *x  f32\[Nx3xHxW\]' out || failed "inspect: the input's symbols: $(cat out)"
grep -q 'assumed *x is 1x3x224x224' out || failed "inspect: what is assumed: $(cat out)"
grep -q 'output *y  f32\[1x49284x5\]' out || failed "inspect: a computed shape: $(cat out)"
exits 0 '' inspect "$dynamic/picture.onnx" --json && is_json inspect of open extents
grep -q '"shape": "Nx3xHxW"' out || failed "inspect --json: the input's symbols: $(cat out)"
exits 0 '' bench "$dynamic/classifier.onnx" -n 2
exits 0 '' inspect "$source/models/mnist/codes.tercel"
grep -q 'metadata   tercel.labels = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9$' out || failed "inspect: labels on one line: $(cat out)"
exits 0 '' inspect "$dynamic/sequence.onnx"
exits 0 '' inspect "$dynamic/product.onnx"
grep -q 'MACs .*without 1 product of open extents: --shape' out || failed "inspect product.onnx: $(cat out)"
exits 0 '' inspect "$dynamic/product.onnx" --json
grep -q '"nodes_without_macs": 1' out || failed "inspect product.onnx --json: $(cat out)"
exits 0 '' inspect "$dynamic/product.onnx" --shape x=2x7x4
grep -q 'MACs  *168$' out || failed "inspect product.onnx --shape: $(cat out)"
exits 2 'axis 1 (T) is not fixed' bench "$dynamic/sequence.onnx" -n 2
exits 0 '' bench "$dynamic/sequence.onnx" -n 2 --shape a=1x7x4

# ---- compress: .tercel files wherever ONNX files are taken, sizes as asked, every bit back where asked

exits 0 '' compress "$resnet" --target-ratio 7 -o small.tercel --json && is_json compress
[ "$(stat -c %s small.tercel)" -lt $(($(stat -c %s "$resnet") / 6)) ] || failed "compress --target-ratio 7: $(cat out)"
exits 0 '' compress "$resnet" --target-ratio 7 -o again.tercel
same_files small.tercel again.tercel 'compressing twice gives two files'
exits 0 '' classify small.tercel "$cat"
exits 0 '' inspect small.tercel
exits 0 '' bench small.tercel -n 2
exits 0 '' decompress small.tercel -o back.onnx
exits 0 '' run small.tercel --input x.npy --output a.npy
exits 0 '' run back.onnx --input x.npy --output b.npy
same_files a.npy b.npy 'a .tercel file and the ONNX file made from it answer differently'
exits 0 '' compress "$resnet" --lossless -o exact.tercel
exits 0 '' run "$resnet" --input x.npy --output a.npy
exits 0 '' run exact.tercel --input x.npy --output b.npy
same_files a.npy b.npy 'lossless is not'
exits 0 '' decompress exact.tercel -o exact.onnx
exits 0 '' run exact.onnx --input x.npy --output b.npy
same_files a.npy b.npy 'lossless is not, as ONNX'
[ "$(stat -c %s exact.tercel)" -le "$(stat -c %s "$resnet")" ] || failed 'lossless is larger than what was given'
mkdir pictures empty_pictures
for i in 1 2; do for photo in "$source"/models/photos/*.jpg; do { cat "$photo" && echo "$i"; } >"pictures/$i$(basename "$photo")"; done; done
mkdir many
for i in 1 2 3 4 5 6 7 8; do for photo in "$source"/models/photos/*.jpg; do { cat "$photo" && echo "$i"; } >"many/$i$(basename "$photo")"; done; done
exits 0 '' compress "$resnet" --calibrate many --max-drop 50 --profile fast -o fast.tercel
says 'promised of pictures like these: at most 50 points of agreement lost'
says '6 for calibration, 6 for tuning, 12 held out'
exits 0 '' compress "$resnet" --calibrate many --max-drop 50 --effort 2 -o drop.tercel --threads 1
exits 0 '' compress "$resnet" --calibrate many --max-drop 50 --effort 2 -o again.tercel --threads 2 --json && is_json compress --max-drop
says '"promised": true'
same_files drop.tercel again.tercel 'within a drop, two threads make another file than one'
# Too few pictures to promise anything: nothing is written, unless forced, and then the report says so.
exits 2 '6 pictures are too few to promise' compress "$resnet" --calibrate pictures --max-drop 50 --effort 2 -o few.tercel
[ ! -e few.tercel ] || failed 'compress wrote a file that it cannot promise anything of'
exits 0 '' compress "$resnet" --calibrate pictures --max-drop 50 --effort 2 && says 'not promised that at most 50 points'
exits 0 '' compress "$resnet" --calibrate pictures --max-drop 50 --effort 2 --force -o few.tercel --json && says '"promised": false'
[ -s few.tercel ] || failed 'compress --force wrote nothing'
# No loss at all is promised by the bits alone.
exits 0 '' compress "$resnet" --calibrate pictures --max-drop 0 -o none.tercel && says 'lossless: '
exits 0 '' run none.tercel --input x.npy --output a.npy
exits 0 '' run "$resnet" --input x.npy --output b.npy
same_files a.npy b.npy '--max-drop 0 changes answers'
exits 0 'smaller, not the' compress "$dynamic/classifier.onnx" -o open.tercel --calibrate pictures --target-ratio 2
exits 0 '' inspect open.tercel --json
grep -q '"shape": "Nx3xHxW"' out || failed "compress fixed the extents: $(cat out)"
exits 0 'smaller, not the' front "$resnet" --calibrate pictures --ratios 5,8 --html front.html --json && is_json front
grep -q '</svg>' front.html || failed 'front --html wrote no chart'
exits 0 '' front "$resnet" --calibrate pictures --effort 4 --ratios 9,500
grep -q '^500x is out of reach' out || failed "front named no ratio out of reach: $(cat out)"
grep -qE '^ *(9\.0|8\.9)' out || failed "front lost a point: $(cat out)"
cp small.tercel before.tercel
exits 2 'a ratio (--target-ratio), or --lossless' compress "$resnet" -o small.tercel
exits 2 'excludes' compress "$resnet" --lossless --profile fast -o small.tercel
exits 2 'requires --calibrate' compress "$resnet" --target-ratio 5 --preprocess cifar -o small.tercel
exits 2 'nowhere/small.tercel: no such folder' compress "$resnet" --target-ratio 5 -o nowhere/small.tercel
exits 2 '--calibrate is required' front "$resnet"
exits 2 nowhere compress "$resnet" --calibrate nowhere -o small.tercel
exits 2 'holds no picture' compress "$resnet" --calibrate empty_pictures -o small.tercel
exits 2 'excludes' compress "$resnet" --target-ratio 5 --lossless -o small.tercel
exits 2 'excludes' compress "$resnet" --lossless --force -o small.tercel
exits 2 target_ratio compress "$resnet" --target-ratio -3 -o small.tercel
exits 2 'is not in 1..1000' compress "$resnet" --target-ratio 0.5 -o small.tercel
exits 2 'is not in 1..1000' compress "$resnet" --target-ratio 0 -o small.tercel
exits 2 'is not in 1..1000' front "$resnet" --calibrate pictures --ratios 5,0.5
exits 2 'is out of reach' compress "$resnet" --target-ratio 500 -o small.tercel
for seed in -1 18446744073709551616 1.5 1x nan ''; do
  exits 2 'is not a whole number' compress "$resnet" --target-ratio 5 --seed "$seed" -o small.tercel
done
exits 2 'not in range' bench "$resnet" --runs ''
for ratio in '' 5x; do exits 2 'is not a number' compress "$resnet" --target-ratio "$ratio" -o small.tercel; done
exits 2 effort compress "$resnet" --target-ratio 5 --effort 11 -o small.tercel
exits 2 "'tiny'" compress "$resnet" --target-ratio 5 --profile tiny -o small.tercel
mkdir broken
for i in 1 2 3 4; do cp empty.onnx broken/$i.jpg; done
exits 2 broken/ compress "$resnet" --calibrate broken --max-drop 50 -o small.tercel
same_files small.tercel before.tercel 'a failed compress touched the file that was there'
head -c 20000 small.tercel >cut.tercel
exits 2 'cut.tercel' classify cut.tercel "$cat"
exits 2 'cut short' decompress cut.tercel -o never.onnx
[ ! -e never.onnx ] || failed 'decompress wrote a file for a damaged one'

# ---- optimize: the same answers, and a file that is whole or not there

exits 0 '' optimize "$squeezenet" -o lean.onnx --dump-passes passes
[ -s passes/00_start.txt ] || failed "optimize --dump-passes wrote: $(ls passes)"
exits 0 '' inspect "$squeezenet" --why --dump-passes why
[ "$(find why/engine -name '*.txt' | wc -l)" -ge 2 ] || failed "inspect --why --dump-passes wrote: $(find why)"
for model in "$squeezenet" lean.onnx; do
  "$tercel" classify "$model" "$source"/models/photos/*.jpg --json --top 1 | grep '"class":'
done >classes
[ "$(wc -l <classes)" -eq 6 ] || failed "six classes wanted: $(cat classes)"
[ "$(head -3 classes)" = "$(tail -3 classes)" ] || failed "optimised, the photos are something else: $(cat classes)"
cp lean.onnx before.onnx
exits 2 missing.onnx optimize missing.onnx -o lean.onnx
same_files lean.onnx before.onnx 'a failed optimize touched the file that was there'
exits 2 nowhere/x.onnx optimize "$resnet" -o nowhere/x.onnx
[ ! -e nowhere ] || failed 'optimize made a folder'
exits 2 folder.onnx optimize "$resnet" -o folder.onnx
exits 1 words.onnx/passes optimize "$resnet" --dump-passes words.onnx/passes
exits 0 '' optimize "$resnet" -o lean.onnx
exits 0 '' run lean.onnx --input x.npy

exits 0 '' optimize "$squeezenet" --preprocess vit -o lean.onnx
exits 0 '' inspect lean.onnx
grep -q 'tercel.preprocess' out || failed 'optimize --preprocess left no word of it in the model'
exits 2 "'fold_all'" optimize "$resnet" --without fold_all -o static.onnx
exits 2 "'fold_all'" bench "$resnet" --without fold_all
exits 0 '' bench "$resnet" -n 1 --without fold_batchnorm --without fuse_add

# ---- optimize --static-norm: what is wrong is said, and nothing written

mkdir none
static() {
  words=$1
  shift
  exits 2 "$words" optimize "$squeezenet" "$@" -o static.onnx --report static.json
}
static --calibrate --static-norm
static --static-norm --calibrate "$source/models/photos"
static 'no such folder' --static-norm --calibrate nowhere
static 'holds no picture' --static-norm --calibrate none
static 'no layer normalization' --static-norm --calibrate "$source/models/photos"
exits 2 'too few to promise' optimize "$source/models/vit_tiny_patch16_224.tercel" --static-norm --calibrate "$source/models/photos" -o static.onnx
static "'guess'" --static-norm --calibrate "$source/models/photos" --estimator guess
static max_drop --static-norm --calibrate "$source/models/photos" --max-drop -1
exits 2 static.pdf optimize "$squeezenet" --static-norm --calibrate "$source/models/photos" -o static.onnx --report static.pdf
[ ! -e static.onnx ] && [ ! -e static.json ] && [ ! -e static.pdf ] || failed 'optimize --static-norm wrote a file for nothing'

# ---- run: .npy and .pb, in and out

exits 0 '' run "$resnet" --input x.npy --output y.npy
exits 0 '' run "$resnet" --input input=x.npy --output logits=y.pb
[ "$(wc -c <y.npy)" -eq 168 ] || failed "y.npy: $(wc -c <y.npy) bytes"  # 128 of header, 10 floats
[ "$(head -c 6 y.npy | tail -c 5)" = NUMPY ] || failed 'y.npy is none'
cp y.npy again.npy
exits 0 '' run "$resnet" --input x.npy --output y.npy
same_files y.npy again.npy 'the second answer differs from the first'
# The 40 bytes of scores stand in the .pb file too, whatever is around them.
tail -c 40 y.npy | od -An -v -tx1 | tr -d ' \n' >scores
od -An -v -tx1 y.pb | tr -d ' \n' | grep -qF "$(cat scores)" || failed 'y.pb holds other scores than y.npy'
# An input as .pb: dims 1 3 32 32, data_type FLOAT, raw_data of 12288 bytes.
{ printf '\010\001\010\003\010\040\010\040\020\001\112\200\140'; tail -c 12288 x.npy; } >x.pb
exits 0 '' run "$resnet" --input x.pb --output z.npy
same_files y.npy z.npy 'x.pb and x.npy give different answers'

npy one.npy '1, 1, 32, 32' 4096
npy flat.npy '3072' 12288
npy long.npy '1, 3, 32, 32' 12292
npy huge.npy '999999999999, 3, 32, 32' 4096
head -c 9000 x.npy >cut.npy
head -c 9 x.npy >stub.npy
head -c 9000 x.pb >cut.pb
sed 's/<f4/>f4/' x.npy >big.npy
sed 's/<f4/<f8/' x.npy >double.npy
sed 's/False/True /' x.npy >fortran.npy
sed "s/'descr'/'tercel'/" x.npy >nodescr.npy
for array in long huge cut stub big double fortran nodescr; do exits 2 $array.npy run "$resnet" --input $array.npy --output no.npy; done
for array in missing.npy folder.onnx empty.onnx words.onnx cut.pb "$cat"; do exits 2 "$array" run "$resnet" --input "$array" --output no.npy; done
for array in one flat; do exits 2 "input 'input'" run "$resnet" --input $array.npy --output no.npy; done
exits 2 --input run "$resnet" --output no.npy
exits 2 x.npy run "$resnet" --input x.npy --input x.npy --output no.npy
[ ! -e no.npy ] || failed 'run wrote a file for wrong inputs'
exits 2 y.txt run "$resnet" --input x.npy --output y.txt
exits 2 nowhere/y.npy run "$resnet" --input x.npy --output nowhere/y.npy
[ ! -e y.txt ] && [ ! -e nowhere ] || failed 'run wrote what it said it could not'
if [ -w /dev/full ]; then
  "$tercel" inspect "$resnet" >/dev/full 2>err && failed 'a full disk under stdout goes unnoticed'
fi

# ---- nothing unfinished lies about

left=$(find . "$source/models" -name '*.partial')
[ -z "$left" ] || failed "unfinished files: $left"

finish
