#!/usr/bin/env bash
# fuzz/run.sh SECONDS: every fuzz target for that long, from seeds made of real files. A find is kept under build/fuzz/finds
# and makes this fail; it then becomes a test.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
bin=build/fuzz/fuzz
tercel=build/release/tercel
seeds=build/fuzz/seeds
finds=build/fuzz/finds
mkdir -p "$seeds"/{onnx,text,image,codec,pack,fpga,idx} "$finds"

# Small real models (large ones slow the fuzzer down to nothing), and their text.
node_tests=${TERCEL_ONNX_TESTDATA:-/usr/share/libonnx-testdata/data/node}
for model in "$node_tests"/*/model.onnx; do
  [ -f "$model" ] && [ "$(stat -c %s "$model")" -lt 4096 ] && cp "$model" "$seeds/onnx/$(basename "$(dirname "$model")").onnx"
done
if [ -x "$tercel" ]; then
  for model in $(ls "$seeds"/onnx/*.onnx | awk 'NR % 20 == 1'); do
    "$tercel" inspect --text "$model" >"$seeds/text/$(basename "$model").txt" 2>/dev/null || true
    "$tercel" compress "$model" --lossless -o "$seeds/pack/$(basename "$model" .onnx).tercel" >/dev/null 2>&1 || true
  done
  "$tercel" compress models/resnet20_cifar10.tercel --target-ratio 30 -o "$seeds/pack/resnet20.tercel" >/dev/null
fi
cp tests/golden/pack_*.tercel "$seeds/pack/"
cp tests/golden/codec_*.bin "$seeds/codec/"
cp src/fpga/boards/*.toml "$seeds/fpga/"
echo "vec=16,lane=32,window_x=7,board=385a,clock_mhz=200.5" >"$seeds/fpga/point.txt"
echo '{"vec": 16, "lane": 32, "board": "385a", "clock_mhz": 1e2}' >"$seeds/fpga/point.json"
cp models/photos/*.jpg "$seeds/image/"
printf '\0\0\10\1\0\0\0\3\1\2\3' >"$seeds/idx/labels"
printf '\0\0\10\3\0\0\0\1\0\0\0\2\0\0\0\2abcd' >"$seeds/idx/pictures"
gzip -kf "$seeds/idx/labels" "$seeds/idx/pictures"
for picture in /usr/share/pixmaps/*.png; do [ -f "$picture" ] && cp "$picture" "$seeds/image/"; done

# One target, its log shown where it fails.
fuzz() {
  local name kind
  name=$(basename "$1")
  kind=${name#fuzz_}
  mkdir -p "build/fuzz/corpus/$kind"
  "$1" -max_total_time="$seconds" -rss_limit_mb=1024 -malloc_limit_mb=512 -timeout=10 -max_len=65536 \
    -artifact_prefix="$finds/$kind-" "build/fuzz/corpus/$kind" "$seeds/$kind" 2>"build/fuzz/$name.log" ||
    { tail -30 "build/fuzz/$name.log"; echo "$name failed"; return 1; }
  echo "$name, $seconds s: $(tail -1 "build/fuzz/$name.log")"
}
export -f fuzz
export seconds seeds finds
# As many at a time as there are processors; xargs fails where one did.
printf '%s\n' "$bin"/fuzz_* | grep -v '\.' | xargs -P "$(nproc)" -I{} bash -c 'fuzz {}'
