#!/bin/sh
# Runs every command of docs/guide.md, in its order, in one folder: guide_test.sh SOURCE_DIR TERCEL. The page's m.onnx is a small
# network as an exporter leaves it, its pictures are the shipped ones and their copies.
. "$(dirname "$0")/journey.sh"

mkdir bin guide
ln -s "$tercel" bin/tercel
PATH=$work/bin:$PATH
cd guide || exit 1
cp "$resnet" m.onnx
mkdir pictures
for i in 1 2 3 4 5 6 7 8; do for photo in "$photos"/*.jpg; do { cat "$photo" && echo "$i"; } >"pictures/$i$(basename "$photo")"; done; done
cp "$cat" pictures/cat.jpg

awk '/^```sh$/ {inside = 1; next} /^```$/ {inside = 0} inside' "$source/docs/guide.md" >commands
[ "$(wc -l <commands)" -ge 10 ] || failed "too few commands: $(cat commands)"
while IFS= read -r command; do
  sh -c "$command" >out 2>err </dev/null || failed "$command: exit $?; $(cat err)"
  echo "$command" >>done_commands
done <commands
same_files commands done_commands 'a command was left out'

# What the page says the commands leave.
for file in model.onnx model.tercel front.html small.onnx; do [ -s $file ] || failed "no $file"; done
for word in Kullback-Leibler 'times smaller' '<svg'; do grep -qF -e "$word" front.html || failed "front.html: no '$word'"; done

# Every option and word it names is one that the program knows.
grep -oE -e '`[a-z -]*--[a-z-]+' "$source/docs/guide.md" | grep -oE -e '--[a-z-]+' | sort -u >options
for verb in inspect classify run optimize compress decompress front bench; do "$tercel" $verb --help; done >help
"$tercel" --help >>help
while IFS= read -r option; do grep -qE -e "$option([^a-z-]|\$)" help || failed "docs/guide.md names $option"; done <options
exits 0 '' compress m.onnx --calibrate pictures --target-ratio 6 --effort 4
for word in 'x smaller' ' agree' 'KL ' weights vectors graph 'errors weighed by' preprocess; do
  says "$word"
  grep -qF -e "$word" "$source/docs/guide.md" || failed "docs/guide.md does not explain '$word'"
done
finish
