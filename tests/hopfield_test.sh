#!/bin/sh
# Memories in place of fully connected layers, from file to file: hopfield_test.sh SOURCE_DIR TERCEL. Where Python has ONNX Runtime
# (TERCEL_PYTHON names another Python), it runs what is exported.
. "$(dirname "$0")/journey.sh"

# idx FOLDER PART COUNT CLASSES: grey pictures of 32 x 32 with labels, stripes that differ from class to class.
idx() {
  mkdir -p "$1"
  header() { awk -v "n=$1" 'BEGIN { printf "\\%03o\\%03o\\%03o\\%03o", 0, 0, int(n / 256), n % 256 }'; }
  # The format is the data: octal escapes.
  # shellcheck disable=SC2059
  printf "\\0\\0\\10\\3$(header "$3")$(header 32)$(header 32)$(awk -v "n=$3" -v "k=$4" 'BEGIN {
    for (i = 0; i < n; ++i) { c = i % k; p = i * 7 % 5
      for (y = 0; y < 32; ++y) for (x = 0; x < 32; ++x)
        printf "\\%03o", int(128 + 100 * sin((x * (c % 4) + y * int(c / 4) + p) * 0.35 + c) + (x * 13 + y * 7 + i * 11) % 23) }
  }')" >"$1/$2-images-idx3-ubyte"
  # shellcheck disable=SC2059
  printf "\\0\\0\\10\\1$(header "$3")$(awk -v "n=$3" -v "k=$4" 'BEGIN { for (i = 0; i < n; ++i) printf "\\%03o", i % k }')" \
    >"$1/$2-labels-idx1-ubyte"
}
idx set train 100 10
idx set t10k 40 10
npy x.npy '1, 3, 32, 32' 12288

# ---- fit: the same seed gives the same file, and every verb takes it

exits 0 '' hopfield fit "$resnet" --data set --seed 3 -o m.tercel --json
is_json hopfield fit
says '"rule": "softmax"'
exits 0 '' hopfield fit "$resnet" --data set/train-images-idx3-ubyte --seed 3 -o again.tercel
same_files m.tercel again.tercel 'the same seed gave another file'
exits 0 '' inspect m.tercel
says 'ai.tercel.SoftmaxMemory'
exits 0 '' run m.tercel -i x.npy -o y.npy
exits 0 '' run m.tercel -i x.npy -o ref.npy --reference
exits 0 '' classify m.tercel "$cat"
exits 0 '' bench m.tercel --runs 3
exits 0 '' decompress m.tercel -o m.onnx
exits 0 '' run m.onnx -i x.npy -o back.npy
same_files y.npy back.npy 'm.onnx answers otherwise than m.tercel'
exits 0 '' compress m.onnx --target-ratio 6 -o small.tercel
exits 0 '' run small.tercel -i x.npy -o small.npy

# ---- add and remove: what was there stays, byte for byte

mkdir -p more/moggy
cp "$cat" more/moggy/
exits 0 '' hopfield add m.tercel --data more/moggy -o more.tercel
says '11 classes'
exits 0 '' classify more.tercel "$cat" --top 1
says moggy
exits 2 "already" hopfield add more.tercel --data more/moggy -o no.tercel
exits 0 '' hopfield remove more.tercel --class 10 -o less.tercel
exits 0 '' run less.tercel -i x.npy -o less.npy
same_files y.npy less.npy 'a class that came and went left a trace'
exits 2 "no class 'unicorn'" hopfield remove m.tercel --class unicorn -o no.tercel
exits 2 'has no Hopfield memory' hopfield remove "$resnet" --class cat -o no.tercel

# ---- networks that settle; their form in standard operators

for rule in hebb storkey pseudo_inverse; do
  exits 0 '' hopfield fit "$resnet" --data set --binarization hadamard --bits 512 --rule $rule --networks 10 \
    --assignment genetic --evaluations 200 --recall synchronous --max-sweeps 8 -o $rule.tercel --export-onnx $rule.onnx
  exits 0 '' run $rule.tercel -i x.npy -o $rule.npy
  exits 0 '' run $rule.onnx -i x.npy -o $rule.standard.npy
done
exits 0 '' hopfield fit "$resnet" --data set --binarization hadamard --bits 100 --patterns 2 -o soft.tercel --export-onnx soft.onnx
exits 0 '' run soft.tercel -i x.npy -o soft.npy
exits 0 'too many' hopfield fit "$resnet" --data set --patterns 3 --rule hebb -o full.tercel
exits 2 'synchronous recall' hopfield fit "$resnet" --data set --rule hebb --networks 10 -o no.tercel --export-onnx no.onnx

# ---- code words that a network was trained towards: the memory is theirs, and answers as the network does

codes=$source/models/mnist/codes.tercel
exits 0 '' hopfield fit "$codes" --code-words -o words.tercel --json
is_json hopfield fit --code-words
says '"head_bytes": 660'
says '"kept": 10'
exits 0 '' classify "$codes" "$cat" --top 10
grep -v 'decoded in' out >network.txt
exits 0 '' classify words.tercel "$cat" --top 10
grep -v 'decoded in' out >memory.txt
same_files memory.txt network.txt 'the memory of code words answers otherwise than the network'
exits 0 '' hopfield fit "$codes" --code-words --rule hebb --recall synchronous --max-sweeps 8 -o settles.tercel --export-onnx settles.onnx
exits 0 '' inspect settles.tercel
says 'ai.tercel.HopfieldMemory'
exits 0 '' hopfield add words.tercel --data more/moggy -o moggy.tercel
says '11 classes'
exits 2 'has no code words' hopfield fit "$resnet" --code-words -o no.tercel
exits 2 'none of cut, pool' hopfield fit "$codes" --code-words --patterns 3 -o no.tercel
exits 2 'give one of the two' hopfield fit "$codes" -o no.tercel
exits 2 'give one of the two' hopfield fit "$codes" --code-words --data set -o no.tercel
exits 2 'named by --output and by --export-onnx' hopfield fit "$codes" --code-words -o no.onnx --export-onnx ./no.onnx

# ---- bad input: a sentence, and nothing written

idx one train 20 1
mkdir empty
exits 2 'pictures of 1 class' hopfield fit "$resnet" --data one -o no.tercel
exits 2 'holds no picture' hopfield fit "$resnet" --data empty -o no.tercel
exits 2 'separates nothing' hopfield fit "$resnet" --data set --cut input -o no.tercel
exits 2 "no node and no value named 'there'" hopfield fit "$resnet" --data set --cut there -o no.tercel
exits 2 'does not end in fully connected layers' hopfield fit "$squeezenet" --data set -o no.tercel
idx many train 24 12
exits 2 'a picture of class 11, but the network has labels for classes 0 to 9' hopfield fit "$resnet" --data many -o no.tercel
exits 2 "no learning rule 'hop'" hopfield fit "$resnet" --data set --rule hop -o no.tercel
exits 2 'under the softmax rule' hopfield fit "$resnet" --data set --networks 3 -o no.tercel
exits 2 '65 bits of 64 features' hopfield fit "$resnet" --data set --binarization zero --bits 65 -o no.tercel
for beta in nan -1 1e300; do exits 2 'wanted a number above 0' hopfield fit "$resnet" --data set --beta $beta -o no.tercel; done
exits 2 '0 evaluations' hopfield fit "$resnet" --data set --evaluations 0 -o no.tercel
exits 2 '3 pictures: wanted 0 (all) or more' hopfield add m.tercel --data more/moggy --pictures -3 -o no.tercel
exits 2 'give one of the two' hopfield fit "$codes" --code-words --data '' -o no.tercel
exits 2 'its name is empty' hopfield fit "$resnet" --data '' -o no.tercel
exits 0 'the same as one of another class' hopfield fit "$resnet" --data set --binarization hadamard --bits 3 -o few.tercel
exits 2 "no verb 'hopfield fitt'; there are" hopfield fitt
exits 2 "hopfield fit has no option '--bit'" hopfield fit "$resnet" --data set --bit 4 -o no.tercel
exits 2 "'x' is not a whole number" hopfield fit "$resnet" --data set --patterns x -o no.tercel
head -c 1000 set/train-images-idx3-ubyte >one/train-images-idx3-ubyte
exits 2 'ask for' hopfield fit "$resnet" --data one -o no.tercel
for file in no.tercel no.onnx; do [ ! -e $file ] || failed "$file was written"; done

# ---- compare, and data

exits 0 '' hopfield compare "$resnet" --data set --quick --json
is_json hopfield compare
says '"verdict"'
exits 0 '' hopfield compare "$resnet" --data set --quick --report heads.html
# Names that begin with a digit are names: they stand where the others stand.
grep -q '^1 nearest neighbour, f32 ' out || failed "compare: a name begins elsewhere than the others: $(cat out)"
grep -q 'mean cost of random is [0-9.]* % above the genetic one' out || failed "compare: the verdict: $(cat out)"
grep -q '<svg' heads.html || failed 'heads.html has no chart'
exits 0 '' hopfield compare "$codes" --data set --quick --heads trained,linear
says 'trained code words, settled by hebb'
exits 0 '' hopfield compare "$resnet" --data set --quick --shots 4 --json
is_json hopfield compare --shots
says '"head": "fully connected, trained on as few"'
exits 2 'wanted 50 of each' hopfield compare "$resnet" --data set --shots 50
exits 2 '0 pictures of class' hopfield compare "$resnet" --data set --pictures 5 --shots 1
# What a row is held against does not depend on which rows are shown.
for heads in memory trained,memory; do
	exits 0 '' hopfield compare "$resnet" --data set --quick --shots 1 --heads $heads
	awk '/^softmax memory, 1 a class/ { print $6, $8 }' out >"against $heads"
done
[ -s 'against memory' ] || failed 'no row of the softmax memory'
same_files 'against memory' 'against trained,memory' 'the difference from the trained layer depends on --heads'
exits 2 "holds one of the words 'unicorn'; here the heads are: " hopfield compare "$resnet" --data set --quick --heads unicorn
grep -q 'softmax memory' err || failed 'the heads there are stand in the error'
exits 2 'seeds: 0, wanted 1 or more' hopfield compare "$resnet" --data set --seeds 0
exits 0 '' data n-mnist --from set -o noisy
says 'sigma 0.3350'
exits 0 '' data n-mnist --from set -o again --seed 1
same_files noisy/train-images-idx3-ubyte again/train-images-idx3-ubyte 'the same seed gave other noise'
exits 0 '' data n-mnist --from set -o other --variant contrast --snr-reading measured
exits 2 'would be overwritten' data n-mnist --from set -o set
exits 2 'has no train-images-idx3-ubyte' data n-mnist --from empty -o none
exits 2 'wanted awgn, motion or contrast' data n-mnist --from set -o none --variant blur
[ ! -e none ] || failed 'a folder was made for nothing'

# ---- other tools run what is exported

python=${TERCEL_PYTHON:-python3}
if command -v "$python" >/dev/null && "$python" -c 'import numpy, onnxruntime' 2>/dev/null; then
  for model in hebb storkey pseudo_inverse soft; do
    "$python" - $model >out 2>&1 <<'END' || failed "ONNX Runtime and $model.onnx: $(cat out)"
import sys
import numpy
import onnxruntime

name = sys.argv[1]
session = onnxruntime.InferenceSession(name + ".onnx", providers=["CPUExecutionProvider"])
got = session.run(None, {session.get_inputs()[0].name: numpy.load("x.npy")})[0]
numpy.testing.assert_allclose(got, numpy.load(name + ".npy"), rtol=1e-4, atol=1e-4)
END
  done
else
  echo "skipped: no ONNX Runtime for $python"
fi

finish
