# What journeys through the program share; sourced by the *_test.sh beside it as: . journey.sh SOURCE_DIR TERCEL. They run in a
# folder of their own. Every line that starts with FAILED is a broken promise; all are looked at before the exit status says so.
set -u
source=$(realpath "$1") tercel=$(realpath "$2") || exit 1
photos=$source/models/photos
cat=$photos/cat.jpg
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
squeezenet=$work/squeezenet.onnx resnet=$work/resnet20.onnx
"$tercel" decompress "$source/models/squeezenet1_1.tercel" -o "$squeezenet" >/dev/null || exit 1
"$tercel" decompress "$source/models/resnet20_cifar10.tercel" -o "$resnet" >/dev/null || exit 1
failures=0

failed() {
  echo "FAILED: $*"
  failures=$((failures + 1))
}

# exits CODE WORDS ARGS...: the exit status, and WORDS in what stderr says (nothing at all where WORDS is empty).
exits() {
  code=$1 words=$2
  shift 2
  "$tercel" "$@" >out 2>err
  got=$?
  [ $got -eq "$code" ] || failed "tercel $*: exit $got, not $code; stderr: $(cat err)"
  if [ -z "$words" ]; then
    [ ! -s err ] || failed "tercel $*: stderr should be empty: $(cat err)"
  else
    grep -qF -e "$words" err || failed "tercel $*: stderr does not say '$words': $(cat err)"
  fi
}

# interrupt SECONDS ARGS...: Ctrl-C so long after the program listens for it; before that the shell has it ignore the signal.
interrupt() {
  seconds=$1
  shift
  "$tercel" "$@" >out 2>err &
  process=$!
  until [ "$(readlink /proc/$process/exe)" = "$tercel" ] && grep -q "^SigCgt:.*[2367abef]\$" /proc/$process/status; do
    kill -0 $process 2>/dev/null || break
    sleep 0.02
  done
  sleep "$seconds"
  kill -INT $process 2>/dev/null
  wait $process
  got=$?
  [ $got -eq 130 ] || failed "tercel $*: exit $got after Ctrl-C: $(cat err)"
  grep -q interrupted: err || failed "tercel $*: no word of Ctrl-C: $(cat err)"
  [ -z "$(find . -name '*.partial')" ] || failed "tercel $*: unfinished files"
}

same_files() { cmp -s "$1" "$2" || failed "$3"; }

is_json() {
  command -v python3 >/dev/null || return 0
  python3 -m json.tool out >/dev/null 2>json_error || failed "$*: not JSON: $(cat json_error)"
}

# npy FILE SHAPE BYTES: an f32 array of small numbers, all between 0.05 and 0.25.
npy() {
  printf '\223NUMPY\001\000\166\000' >"$1"
  printf '%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': ($2), }" >>"$1"
  yes 'abc>hij=ka`>b3x=' | tr -d '\n' | head -c "$3" >>"$1"
}

# say WORDS: stdout of the last command holds them.
says() { grep -qF -e "$1" out || failed "stdout does not say '$1': $(cat out)"; }

finish() {
  [ $failures -eq 0 ] && echo 'all promises kept'
  exit $((failures > 0))
}
