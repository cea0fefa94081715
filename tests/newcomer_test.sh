#!/bin/sh
# What newcomers stumbled over, who had the README, the docs and --help alone: newcomer_test.sh SOURCE_DIR TERCEL.
. "$(dirname "$0")/journey.sh"

# A network that ends in ArgMax and answers class 3 whatever it sees (input x, 1x3x8x8); says nothing of preprocessing.
base64 -d >argmax.onnx <<'END'
CAgSADrqAQoZCgF4EgFwIhFHbG9iYWxBdmVyYWdlUG9vbAoPCgFwEgFmIgdGbGF0dGVuChIKAWYKAXcKAWISAXMiBEdlbW0KGwoBcxIBeSIGQX
JnTWF4KgsKBGF4aXMYAaABAhIBZyo7CAMIBBABQgF3SjAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAq
GQgEEAFCAWJKEAAAAAAAAAAAAAAAAAAAoEBaGwoBeBIWChQIARIQCgIIAQoCCAMKAggICgIICGITCgF5Eg4KDAgHEggKAggBCgIIAUIECgAQDQ==
END
# A network without inputs: y = [1, 2].
base64 -d >noinputs.onnx <<'END'
CAgSADo5ChAKAWMSAXkiCElkZW50aXR5EgFnKhEIAhABQgFjSggAAIA/AAAAQGIPCgF5EgoKCAgBEgQKAggCQgQKABAN
END
npy x.npy '1, 3, 32, 32' 12288

# ---- classes

exits 0 '' classify argmax.onnx "$cat"
says '     3   (the model gives no probability)'
exits 0 '' classify argmax.onnx "$cat" --json && is_json classify
says '"class": 3'
mkdir pictures
for i in 1 2 3 4 5 6 7 8 9; do for photo in "$photos"/*.jpg; do { cat "$photo" && echo "$i"; } >"pictures/$i$(basename "$photo")"; done; done
exits 2 'ends in ArgMax and answers a class without scores' compress argmax.onnx --calibrate pictures
exits 2 'ends in ArgMax and answers a class without scores' front argmax.onnx --calibrate pictures

# ---- models without inputs

exits 0 '' run noinputs.onnx --output y.npy
[ "$(tail -c 8 y.npy | od -An -tx1 | tr -d ' \n')" = 0000803f00000040 ] || failed "noinputs: $(od -c y.npy)"
exits 2 "input 'input' is missing: --input input=FILE" run "$resnet" --output y.npy
exits 2 'the model has only 0' run noinputs.onnx --input x.npy

# ---- preprocessing that was assumed is said

for verb in 'inspect argmax.onnx' "classify argmax.onnx $cat"; do
  exits 0 '' $verb
  says 'imagenet at 8x8, shorter side to 9 first (assumed: the model does not say; choose with --preprocess)'
  exits 0 '' $verb --json
  says '"source": "assumed"'
done
exits 0 '' classify "$resnet" "$cat" && says '(the model says so)'
exits 0 '' classify "$resnet" "$cat" --preprocess cifar && says 'preprocess: cifar (--preprocess)'
exits 0 '' compress "$resnet" --calibrate pictures --target-ratio 6 --effort 2 && says '(the model says so)'
exits 0 '' compress "$resnet" --calibrate pictures --target-ratio 6 --effort 2 --json && says '"source": "model"'
exits 0 '' front "$resnet" --calibrate pictures --ratios 6 --effort 2 --preprocess cifar && says 'cifar (--preprocess)'
exits 2 "the preprocessing 'cifar' makes 1x3x32x32 of a picture, but the input" classify "$squeezenet" "$cat" --preprocess cifar
exits 2 "the preprocessing 'imagenet' makes 1x3x224x224" compress "$resnet" --calibrate pictures --preprocess imagenet

# ---- names are checked, extents too

for verb in inspect bench; do
  exits 2 "no input 'imput'; there is input; did you mean 'input'?" $verb "$resnet" --shape imput=8x3x32x32
  exits 2 'an extent of 0' $verb "$resnet" --shape 0x3x32x32
done
exits 2 "no input 'imput'" optimize "$resnet" --shape imput=8x3x32x32 -o static.onnx
exits 2 "no input 'imput'; there is input" run "$resnet" -i imput=x.npy
exits 2 "no output 'foo'; there is logits" run "$resnet" -i x.npy -o foo=y2.npy
exits 2 "output 'logits' is given twice" run "$resnet" -i x.npy -o logits=a2.npy -o logits=b2.npy
for file in foo=y2.npy y2.npy a2.npy b2.npy static.onnx; do [ ! -e $file ] || failed "$file was written"; done
exits 0 '' run "$resnet" -i x.npy -o ./foo=y.npy  # a path, since it has a '/'
[ -s ./foo=y.npy ] || failed 'a path with an = was not written'

# ---- endings of outputs, and folders that are not there

for output in small.onnx small.pt small; do exits 2 'ends in .tercel' compress "$resnet" --target-ratio 6 -o $output; done
for verb in optimize decompress; do exits 2 'ends in .onnx' $verb "$resnet" -o small.tercel; done
exits 2 'ends in .html' front "$resnet" --calibrate pictures --html front.pdf
exits 2 'ends in .npy or .pb' run "$resnet" -i x.npy -o y.txt
for output in small small.onnx small.pt small.tercel front.pdf y.txt; do [ ! -e $output ] || failed "$output was written"; done
exits 2 'nowhere/m.tercel: no such folder' compress "$resnet" --target-ratio 6 -o nowhere/m.tercel
exits 2 'nowhere/m.onnx: no such folder' optimize "$resnet" -o nowhere/m.onnx
exits 2 'nowhere/m.onnx: no such folder' decompress "$resnet" -o nowhere/m.onnx
exits 2 'nowhere/y.npy: no such folder' run "$resnet" -i x.npy -o nowhere/y.npy
exits 2 'nowhere/f.html: no such folder' front "$resnet" --calibrate pictures --html nowhere/f.html
exits 2 "$cat: a file; wanted a folder of pictures" compress "$resnet" --calibrate "$cat"

# ---- help: verbs, options, defaults, what is required

exits 2 "no verb 'clasify'; there are inspect" clasify "$resnet" "$cat"
grep -qF "did you mean 'classify'?" err || failed "clasify: $(cat err)"
exits 2 "no verb 'tune'" tune --help
exits 2 "classify has no option '--tops'; did you mean '--top'?" classify "$resnet" "$cat" --tops 3
exits 2 "bench has no option '--thread'; did you mean '--threads'?" bench "$resnet" --thread 2
exits 2 "compress has no option '--calib'; did you mean '--calibrate'?" compress "$resnet" --calib pictures
for default in 'classify --top INT' 'bench --runs INT' 'compress --max-drop FLOAT' 'compress --effort INT' 'compress --profile TEXT' \
  'front --ratios FLOAT' 'optimize --max-drop FLOAT' 'optimize --estimator TEXT' 'optimize --pictures INT' 'bench --threads INT'; do
  exits 0 '' "${default%% *}" --help
  grep -qE -e "${default#* }.*=[^ ]" out || failed "$default: no default in $(cat out)"
done
exits 0 '' front --help
grep -qE -e '--calibrate .*REQUIRED' out || failed "front --help: --calibrate is not marked: $(cat out)"
exits 0 '' --help && says 'Exit status: 0 fine, 2 bad input, 130 interrupted, 1 anything else'

# ---- version

exits 0 '' --version
grep -qE '^tercel [0-9]+\.[0-9]+\.[0-9]+$' out && [ "$(wc -l <out)" -eq 1 ] || failed "--version: $(cat out)"
exits 0 '' --version --verbose
for word in '^commit +([0-9a-f]{7,}|unknown)' '^compiler +(GNU|Clang)' '^ISA +(baseline|avx2|avx512) ' '^fmt +[0-9]' '^zstd +[0-9]' '^pagmo '; do
  grep -qE "$word" out || failed "--version --verbose: no $word in $(cat out)"
done

# ---- threads

exits 0 'warning: 1000 threads on' inspect "$resnet" --threads 1000 --why
exits 0 'warning: 64 threads on' bench "$resnet" -n 1 -t 64

# ---- why it is slow

exits 0 '' bench "$squeezenet" -n 2 --why
grep -q 'why no other' out && says 'slowest of' || failed "bench --why: $(cat out)"
rows=$(sed -n '/why no other/,/slowest of/p' out | sed '1d;$d')
[ "$(echo "$rows" | wc -l)" -eq 10 ] || failed "bench --why: not ten steps: $rows"
echo "$rows" | awk '{print $1}' | sort -rn -c 2>/dev/null || failed "bench --why: not the slowest first: $rows"
exits 0 '' bench "$squeezenet" -n 2 --why --layers
[ "$(sed '1,/why no other/d' out | wc -l)" -gt 30 ] || failed "bench --why --layers: not all steps: $(cat out)"
exits 0 '' inspect "$squeezenet"
says 'heaviest of'
[ "$(wc -l <out)" -lt 30 ] || failed "inspect is long: $(wc -l <out) lines"
exits 0 '' inspect "$squeezenet" --layers
[ "$(wc -l <out)" -gt 60 ] || failed "inspect --layers: not all nodes: $(cat out)"
exits 0 '' inspect "$squeezenet" --why && says 'tercel bench --why'

# ---- pictures: folders, standard input, going on, formats by name, names of classes

exits 0 '' classify "$resnet" pictures --json && is_json classify
[ "$(grep -c '"picture":' out)" -eq 27 ] || failed "classify pictures/: $(cat out)"
"$tercel" classify "$resnet" - --json <"$cat" >out 2>err || failed "classify -: $(cat err)"
says '"picture": "-"'
mkdir none
exits 2 'none: holds no picture' classify "$resnet" none
exits 2 'nosuch.jpg' classify "$resnet" "$cat" nosuch.jpg "$photos/bird.jpg"
says bird.jpg
grep -qF '1 of 3 pictures could not be classified' err || failed "classify: $(cat err)"
exits 2 nosuch.jpg classify "$resnet" "$cat" nosuch.jpg --json && is_json classify
says '"error":'
printf 'GIF89a.......' >a.gif
printf 'BM\066\000\000\000\000\000\000\000\066\000\000\000' >a.bmp
printf 'II*\000.......' >a.tif
printf '\000\000\000\030ftypheic' >a.heic
for format in GIF:a.gif BMP:a.bmp TIFF:a.tif HEIC:a.heic; do
  exits 2 "${format%:*}" classify "$resnet" "${format#*:}"
  grep -qF 'save the picture as one of these' err || failed "$format: $(cat err)"
done
printf 'cat\ndog\n' >two.txt
exits 0 'warning: two.txt: 2 names for 10 classes' classify "$resnet" "$cat" --labels two.txt

# ---- labels.tsv, and a picture that was cut short

cp -r pictures spaces && echo '1cat.jpg 3' >spaces/labels.tsv
exits 2 'line 1 has no tab' compress "$resnet" --calibrate spaces
cp -r pictures cut && head -c 3000 "$cat" >cut/5cat.jpg
exits 0 'warning: skipped: cut/5cat.jpg' compress "$resnet" --calibrate cut --target-ratio 6 --effort 2
for i in 1 2 3 4 6 7 8 9; do head -c $((3000 + i)) "$cat" >cut/${i}cat.jpg; done
exits 2 'pictures cannot be read' compress "$resnet" --calibrate cut --target-ratio 6 --effort 2

# ---- other models by name

printf 'PK\003\004archive' >a.pt
printf '\034\000\000\000TFL3' >a.tflite
printf '\010\000\000\000\000\000\000\000{"a":{}}' >a.safetensors
printf 'version https://git-lfs.github.com/spec/v1' >lfs.onnx
exits 2 'torch.onnx.export' inspect a.pt
exits 2 'tf2onnx' inspect a.tflite
exits 2 'safetensors: weights without a network' inspect a.safetensors
exits 2 'git lfs pull' inspect lfs.onnx

# ---- the page of front

exits 0 '' front "$resnet" --calibrate pictures --ratios 5,8 --effort 2 --html front.html
for words in 'viewport' 'class="agreement before"' 'held-out pictures' 'x, ' ' % agree, KL ' '<th>bytes</th>' '<th>KL</th>'; do
  grep -qF -e "$words" front.html || failed "front.html: no '$words'"
done
grep -q '<svg[^>]* width=' front.html && failed 'front.html: a chart of fixed width is cut off on a narrow screen'
mkdir classes
for i in 1 2 3 4 5 6; do for class in bird cat; do mkdir -p classes/$class && { cat "$photos/$class.jpg" && echo "$i"; } >classes/$class/$i.jpg; done; done
exits 0 'smaller, not the' front "$resnet" --calibrate classes --ratios 6 --effort 2 --html front.html
grep -q 'class="top-1 before"' front.html || failed 'front.html: no top-1 of the network as it was'

# ---- Ctrl-C

# Hours of work. While it measures nothing can be written; then there is a best so far. Machines differ in speed.
for seconds in 1 4 10 25 60; do
  rm -f long.tercel
  interrupt $seconds compress "$resnet" --calibrate pictures --target-ratio 8 --effort 9 -o long.tercel
  if grep -q 'best so far written to long.tercel' err; then break; fi
  grep -qF 'interrupted: nothing was written' err || failed "compress: $(cat err)"
  [ ! -e long.tercel ] || failed 'compress said that nothing was written'
done
exits 0 '' inspect long.tercel
for seconds in 3 10 25 60; do
  rm -f long.html
  interrupt $seconds front "$resnet" --calibrate pictures --effort 5 --ratios 4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26 --html long.html
  if grep -q 'sizes finished and written to long.html' err; then break; fi
  [ ! -e long.html ] || failed "front: $(cat err)"
done
grep -q '</html>' long.html || failed 'front left no page of the sizes that were finished'
for seconds in 2 8 25 60; do
  interrupt $seconds bench "$resnet" -n 1000000
  if grep -qE 'interrupted: after [0-9]+ of 1000000 runs' err; then break; fi
done
says median
mkdir many
i=0
while [ $i -lt 2000 ]; do { cat "$cat" && echo "$i"; } >many/$i.jpg && i=$((i + 1)); done
interrupt 3 classify "$squeezenet" many --top 1
grep -qE 'interrupted: [0-9]+ of 2000 pictures classified' err || failed "classify: $(cat err)"

# ---- compilers

for compiler in Clang:14.0.6 GNU:11.4.0; do
  cmake -DCMAKE_CXX_COMPILER_ID=${compiler%:*} -DCMAKE_CXX_COMPILER_VERSION=${compiler#*:} -P "$source/cmake/compiler.cmake" >out 2>&1
  grep -q Warning out || failed "$compiler: no warning when the build is configured"
done
for compiler in Clang:16.0.0 GNU:12.2.0; do
  cmake -DCMAKE_CXX_COMPILER_ID=${compiler%:*} -DCMAKE_CXX_COMPILER_VERSION=${compiler#*:} -P "$source/cmake/compiler.cmake" >out 2>&1
  [ ! -s out ] || failed "$compiler: $(cat out)"
done

finish
