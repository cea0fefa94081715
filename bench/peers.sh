#!/usr/bin/env bash
# Tercel beside its peers, interleaved in one run. Called through ./dev peers [busy] [ARGS...] (see bench/peers.py); busy: beside
# two programs that never rest. Makes a private Python environment under build/ with the peers in it.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=build/peers-venv
if [ ! -e "$venv/complete" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet onnx onnxruntime numpy
  # One of them missing on this platform is no reason to compare with none.
  for peer in openvino ncnn pnnx ai-edge-litert; do "$venv/bin/pip" install --quiet "$peer" || echo "no $peer here" >&2; done
  touch "$venv/complete"
fi
if [ "${1:-}" = busy ]; then
  shift
  [ $# -gt 0 ] || { /usr/bin/python3 bench/make_nets.py build/nets resnet50 mobilenet_v2 vit_tiny_16 && set -- build/nets/{resnet50,mobilenet_v2,vit_tiny_16}.onnx; }
  exec "$venv/bin/python" bench/peers_busy.py "$@"
fi
exec "$venv/bin/python" bench/peers.py "$@"
