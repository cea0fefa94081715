#!/usr/bin/env bash
# Tercel beside its peers, interleaved in one run. Called through ./dev peers [busy] [--turns N] [NETS...]; busy: beside
# two programs that never rest.
# Makes a private Python environment under build/ with ONNX Runtime in it.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=build/peers-venv
if [ ! -x "$venv/bin/python" ]; then
  /usr/bin/python3 -m venv --system-site-packages "$venv"
  "$venv/bin/pip" install --quiet onnxruntime
fi
program=bench/peers.py
[ "${1:-}" != busy ] || { program=bench/peers_busy.py && shift; }
turns=()
[ "${1:-}" != --turns ] || { turns=(--turns "$2") && shift 2; }
nets=("$@")
if [ ${#nets[@]} -eq 0 ]; then
  /usr/bin/python3 bench/make_nets.py build/nets resnet50 vgg16
  nets=(build/nets/resnet50.onnx build/nets/vgg16.onnx)
  if [ -n "${TERCEL_DATA:-}" ]; then
    nets+=("$TERCEL_DATA/models/mobilenet_v2/model.onnx" "$TERCEL_DATA/models/vit_tiny_patch16_224/model.onnx")
  fi
fi
"$venv/bin/python" "$program" "${turns[@]}" "${nets[@]}"
