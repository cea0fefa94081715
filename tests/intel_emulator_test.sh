#!/bin/sh
# The channels of the pipeline on Intel's FPGA emulator: intel_emulator_test.sh SOURCE_DIR TERCEL. Left out unless
# TERCEL_INTEL_EMULATOR names a folder that tools/intel_emulator.sh has made.
if [ -z "${TERCEL_INTEL_EMULATOR:-}" ] || [ ! -f "$TERCEL_INTEL_EMULATOR/run" ]; then
  echo 'left out: TERCEL_INTEL_EMULATOR names no folder made by tools/intel_emulator.sh'
  exit 77
fi
emulator=$(realpath "$TERCEL_INTEL_EMULATOR")
. "$(dirname "$0")/journey.sh"

# same_through_channels NET INPUT: both designs of the channels, and tiles on Intel's own runtime.
same_through_channels() {
  exits 0 '' run "$1" --engine reference -i "$2" -o wanted.npy
  for point in vec=16,lane=16 vec=8,lane=16; do
    "$emulator/run" "$tercel" run "$1" --engine "pipeline:executor=channels,$point" -i "$2" \
      -o channels.npy >out 2>err || failed "$1: channels at $point: $(cat err)"
    same_files channels.npy wanted.npy "$1: channels at $point give other bytes than the reference kernels"
    rm -f channels.npy
  done
  "$emulator/run-cpu" "$tercel" run "$1" --engine pipeline -i "$2" -o cpu.npy >out 2>err || failed "$1: tiles on Intel's runtime: $(cat err)"
  same_files cpu.npy wanted.npy "$1: tiles on Intel's runtime give other bytes than the reference kernels"
  rm -f cpu.npy
}

npy digit.npy 1,1,28,28 3136
same_through_channels "$source/tests/quantized/lenet.onnx" digit.npy
npy x.npy 1,3,32,32 12288
net=$source/tests/quantized/i8.onnx
same_through_channels "$net" x.npy

exits 0 '' fpga emit "$net" --point vec=16,lane=16 -o emitted
(cd emitted && ./build.sh) >out 2>err || failed "the emitted host does not build: $(cat err)"
tail -c 12288 x.npy >emitted/in
(cd emitted && PIPELINE_CHANNELS=1 "$emulator/run" ./host in out) 2>err || failed "the emitted host: $(cat err)"
tail -c 40 wanted.npy >elements
same_files emitted/out elements 'the emitted host gives other bytes through channels'
finish
