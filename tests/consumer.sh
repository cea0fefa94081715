#!/bin/sh
# Installs Tercel into an empty folder, builds a project that knows only that folder, and runs it on a shipped photo.
set -eu
source=$1 build=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cmake -S "$source/tests/consumer" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cmake --build "$work/build" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$work/build/consumer" "$source/models/squeezenet1_1.tercel" "$source/models/photos/bird.jpg" | tee "$work/answer"
grep -q chickadee "$work/answer"
