#!/usr/bin/env bash
# Intel's FPGA emulator and CPU runtime for OpenCL, from the Python package index, in a folder of their own (about 1 GB):
#
#   tools/intel_emulator.sh FOLDER
#   FOLDER/run COMMAND ...       on the FPGA emulator (channels)
#   FOLDER/run-cpu COMMAND ...   on the CPU runtime
#
# Their licence is Intel's; nothing of them is part of Tercel. Versions are those that were tried: with tbb 2021 the
# emulator shows no platform.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
mkdir -p "$1"
folder=$(cd "$1" && pwd)
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-deps intel-opencl-fpga-emu-rt==2025.0.5 intel-opencl-rt==2025.0.5 \
  intel-cmplr-lib-rt==2025.0.5 'tbb==2022.*' tcmlib umf

# wrapper NAME LIBRARY: a program that runs another with this platform alone. Private arrays hold the kernels' buffers;
# words need not wait as long as channels are deep (the threads of the simulated executor see to that).
wrapper() {
  mkdir -p "$folder/$1.icd"
  echo "$folder/env/lib/$2" >"$folder/$1.icd/intel.icd"
  cat >"$folder/$1" <<END
#!/bin/sh
export OCL_ICD_VENDORS="$folder/$1.icd/" LD_LIBRARY_PATH="$folder/env/lib\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export CL_CONFIG_CPU_FORCE_LOCAL_MEM_SIZE=8MB CL_CONFIG_CPU_FORCE_PRIVATE_MEM_SIZE=8MB
export CL_CONFIG_CHANNEL_DEPTH_EMULATION_MODE=ignore-depth CL_CONFIG_CPU_TBB_NUM_WORKERS=6
exec "\$@"
END
  chmod +x "$folder/$1"
}
wrapper run libintelocl_emu.so
wrapper run-cpu libintelocl.so
echo "installed; TERCEL_INTEL_EMULATOR=$folder ctest -R intel_emulator tries it"
