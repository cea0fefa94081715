#!/bin/sh
# The channels of the pipeline on Intel's FPGA emulator: intel_emulator_test.sh SOURCE_DIR TERCEL. Left out unless
# TERCEL_INTEL_EMULATOR names a folder that tools/intel_emulator.sh has made.
if [ -z "${TERCEL_INTEL_EMULATOR:-}" ] || [ ! -f "$TERCEL_INTEL_EMULATOR/run" ]; then
  echo 'left out: TERCEL_INTEL_EMULATOR names no folder made by tools/intel_emulator.sh'
  exit 77
fi
emulator=$(realpath "$TERCEL_INTEL_EMULATOR")
. "$(dirname "$0")/journey.sh"

net=$source/tests/quantized/i8.onnx
npy x.npy 1,3,32,32 12288
exits 0 '' run "$net" --engine reference -i x.npy -o wanted.npy

for point in vec=16,lane=16 vec=8,lane=16; do
  "$emulator/run" "$tercel" run "$net" --engine "pipeline:executor=channels,$point" -i x.npy \
    -o channels.npy >out 2>err || failed "channels at $point: $(cat err)"
  same_files channels.npy wanted.npy "channels at $point give other bytes than the reference kernels"
  rm -f channels.npy
done

"$emulator/run-cpu" "$tercel" run "$net" --engine pipeline -i x.npy -o cpu.npy >out 2>err || failed "tiles on Intel's runtime: $(cat err)"
same_files cpu.npy wanted.npy "tiles on Intel's runtime give other bytes than the reference kernels"

exits 0 '' fpga emit "$net" --point vec=16,lane=16 -o emitted
(cd emitted && ./build.sh) >out 2>err || failed "the emitted host does not build: $(cat err)"
tail -c 12288 x.npy >emitted/in
(cd emitted && PIPELINE_CHANNELS=1 "$emulator/run" ./host in out) 2>err || failed "the emitted host: $(cat err)"
tail -c 40 wanted.npy >elements
same_files emitted/out elements 'the emitted host gives other bytes through channels'
finish
