#!/bin/sh
# What `tercel fpga` promises: fpga_test.sh SOURCE_DIR TERCEL.
. "$(dirname "$0")/journey.sh"

# Without a convolution (MatMul, 1x4 to 1x2), and one with three spatial axes.
base64 -d >noconv.onnx <<'END'
CAgSADptChEKAXgKAXcSAXkiBk1hdE11bBIBZyorCAQIAhABQgF3SiAAAIA/AACAPwAAgD8AAIA/AACAPwAAgD8AAIA/AACAP1oTCgF4Eg4KDAgBEggKAggB
CgIIBGITCgF5Eg4KDAgBEggKAggBCgIIAkIECgAQDQ==
END
base64 -d >conv3d.onnx <<'END'
CAgSADpzChUKAXgKAXcSAXkaBGRlZXAiBENvbnYSAWcqFQgBCAEIAQgBCAEQAUIBd0oEAACAP1ofCgF4EhoKGAgBEhQKAggBCgIIAQoCCAQKAggECgIIBGIf
CgF5EhoKGAgBEhQKAggBCgIIAQoCCAQKAggECgIIBEIECgAQDQ==
END

# ---- every command of docs/fpga.md

mkdir bin page
ln -s "$tercel" bin/tercel
cp "$resnet" page/m.onnx
awk '/^```sh$/ {inside = 1; next} /^```$/ {inside = 0} inside' "$source/docs/fpga.md" >commands
[ "$(wc -l <commands)" -ge 3 ] || failed "too few commands: $(cat commands)"
while IFS= read -r command; do
  (cd page && PATH=$work/bin:$PATH sh -c "$command") >out 2>err </dev/null || failed "$command: exit $?; $(cat err)"
done <commands
for verb in boards explore estimate validate; do "$tercel" fpga $verb --help; done >help
grep -oE -e '`[a-z -]*--[a-z-]+' "$source/docs/fpga.md" | grep -oE -e '--[a-z-]+' | sort -u >options
while IFS= read -r option; do grep -qE -e "$option([^a-z-]|\$)" help || failed "docs/fpga.md names $option"; done <options

# ---- boards

exits 0 '' fpga boards
for board in 385a alaric a10gx de5net de1soc 520n; do says "$board: "; done
says 'assumed'
says 'fitted on the three fully connected layers of set B'
exits 0 '' fpga boards alaric --json && is_json boards
exits 2 "no board '385b'; there are 385a, 520n, a10gx, alaric, de1soc, de5net" fpga boards 385b

# ---- explore

exits 0 '' fpga explore "$squeezenet" --board 385a --html report.html
says 'latency'
says 'interval'
says 'bound by'
says 'note: assumed of this board, not read in a source: ddr_peak_gb_s, ddr_efficiency, clock_mhz'
says 'report written to report.html'
grep -q '<svg' report.html || failed 'the report has no chart'
! grep -qE '<script|<link|src=|@import' report.html || failed 'the report is not self-contained'
exits 0 '' fpga explore "$squeezenet" --board alaric --json && is_json explore
says '"bottleneck"'
for seed in 1 1 2; do
  exits 0 '' fpga explore "$resnet" --search evolve --seed $seed --json && is_json evolve
  cp out "evolved$seed.$(ls evolved$seed.* 2>/dev/null | wc -l)"
done
same_files evolved1.0 evolved1.1 'the same seed gave another front'
exits 0 '' fpga explore --network resnet50 --board alaric --batch 4
exits 0 '' fpga explore "$resnet" --shape 2x3x32x32 --layers --front

# ---- what is refused, with nothing half written

exits 2 'no design fits board alaric within 20 DSP blocks' fpga explore "$squeezenet" --board alaric --max-dsp 20 --html no.html
exits 2 'the nearest is vec=1,lane=1' fpga explore "$squeezenet" --board alaric --max-dsp 20
exits 2 'max_dsp is 9999, but board 385a has 1518 dsp_blocks' fpga explore "$squeezenet" --max-dsp 9999
exits 2 "no board 'arria'; there are 385a" fpga explore "$squeezenet" --board arria --html no.html
exits 2 'the network has no convolution' fpga explore noconv.onnx --html no.html
exits 2 "node 'deep' (Conv): it has three spatial axes" fpga explore conv3d.onnx --html no.html
exits 2 'wanted a model, or --network' fpga explore
exits 2 "no built-in network 'vgg19'; there are alexnet, vgg16, resnet50" fpga explore --network vgg19
exits 2 'batch is 0' fpga explore --network vgg16 --batch 0
exits 2 'random not in' fpga explore --network vgg16 --search random
exits 2 'wanted a name that ends in .html' fpga explore "$squeezenet" --html no.txt
exits 2 "did you mean 'explore'?" fpga exlore
exits 2 "did you mean '--board'?" fpga explore "$squeezenet" --bord 385a
[ ! -e no.html ] && [ ! -e no.txt ] || failed 'a refused exploration wrote a report'

# ---- a board of one's own

cp "$source/src/fpga/boards/385a.toml" mine.toml
exits 0 '' fpga explore "$squeezenet" --board mine.toml
says 'board=mine.toml'
exits 0 '' fpga boards mine.toml
sed 's/value = 1518/value = -3/' mine.toml >absurd.toml
exits 2 'absurd.toml: line 6: dsp_blocks: -3 is absurd; wanted a whole number from 1 to 20000' fpga explore "$squeezenet" --board absurd.toml
sed '/^ram_blocks/d' mine.toml >missing.toml
exits 2 'missing.toml: ram_blocks is missing' fpga explore "$squeezenet" --board missing.toml
head -c 100 "$cat" >picture.toml
exits 2 'picture.toml: line 1: no TOML' fpga boards picture.toml
exits 2 'nowhere.toml' fpga boards nowhere.toml

# ---- one point

exits 0 '' fpga estimate "$resnet" --point vec=16,lane=32,window_x=7 --layers
says 'vec=16,lane=32,window_x=7'
exits 0 '' fpga estimate --network resnet50 --point '{"vec": 16, "lane": 64}' --kernels pipecnn --json && is_json estimate
exits 2 'vec is 12, wanted a power of two from 1 to 128' fpga estimate "$resnet" --point vec=12
exits 2 'vec is given twice' fpga estimate "$resnet" --point vec=8,vec=8
exits 2 'the design does not fit board 385a' fpga estimate "$resnet" --point vec=64,lane=256
exits 2 'words of weights, but weight_buffer_words is 1' fpga estimate "$resnet" --point vec=16,weight_buffer_words=1
exits 2 "no board 'x'" fpga estimate "$resnet" --point board=x

# ---- beside what is published

exits 0 '' fpga validate
says 'promised at most 1.5 %: kept'
! grep -q BROKEN out || failed 'an error is larger than promised'
! grep -qi ffcnn out || failed "FFCNN's tables are unread: no number may carry its name"
exits 0 '' fpga validate --json && is_json validate

finish
