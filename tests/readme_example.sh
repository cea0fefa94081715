#!/bin/sh
# README's C++ example must be the file that is compiled.
set -eu
awk '/^```cpp$/ {inside = 1; next} /^```$/ {inside = 0} inside' "$1/README.md" | diff - "$1/examples/classify.cc"
