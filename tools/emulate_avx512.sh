#!/usr/bin/env bash
# Runs a test program on an emulated processor with AVX-512 and VNNI (Bochs, Ice Lake), where none is at hand.
#
#     tools/emulate_avx512.sh build/release/tercel_kernels_test --gtest_filter='*Levels*'
#
# Boots Debian's kernel with nothing but the program and its libraries: a minute, then some 100 times slower than a processor.
# Prints what the program says; the status is the program's. Debian: apt install bochs bochs-term bochsbios vgabios isolinux
# syslinux-common xorriso busybox-static cpio. BOCHS=PROGRAM takes another Bochs, built without its debugger and with nogui: some ten
# times faster; with ADD_FEATURES=avx512bf16 its processor multiplies bf16, too. Nothing else is needed: the kernel is downloaded as a package, not installed.
set -euo pipefail
[ $# -gt 0 ] || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
program=$(realpath "$1")
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for needed in xorriso cpio busybox; do
  command -v $needed >/dev/null || { echo "no $needed: see the packages at the top of $0" >&2; exit 2; }
done
bochs=${BOCHS:-$(command -v bochs || true)}
[ -n "$bochs" ] || { echo "no bochs: see the packages at the top of $0" >&2; exit 2; }

cache=${XDG_CACHE_HOME:-$HOME/.cache}/tercel
kernel=$cache/vmlinuz-emulated
if [ ! -e "$kernel" ]; then
  mkdir -p "$cache"
  package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image/ { print $2 }')
  (cd "$work" && apt-get download "$package" >/dev/null 2>&1 && dpkg -x "$package"*.deb kernel)
  cp "$work"/kernel/boot/vmlinuz* "$kernel.partial" && mv "$kernel.partial" "$kernel"
fi

root=$work/root
mkdir -p "$root"/{bin,dev,proc,sys,tmp} "$work/iso/isolinux"
cp "$(command -v busybox)" "$root/bin/busybox"
for word in sh mount cat sleep poweroff; do ln -s busybox "$root/bin/$word"; done
cp "$program" "$root/bin/program"
strip "$root/bin/program"
for library in $(ldd "$program" | awk '/=> \// { print $3 } /ld-linux/ { print $1 }'); do
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
printf '%s\n' '#!/bin/sh' 'mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev' \
  'exec >/dev/ttyS0 2>&1 </dev/null' "echo PROGRAM-BEGINS; /bin/program $(printf "'%s' " "$@")" 'echo "PROGRAM-ENDS $?"' \
  'sleep 3; poweroff -f' >"$root/init"
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc 2>/dev/null | gzip -1) >"$work/iso/initrd.gz"
cp "$kernel" "$work/iso/vmlinuz"
cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/iso/isolinux/"
# What Bochs says of PKU, XSAVES and fast strings is not what it does: without the first two the kernel finds no AVX-512, with the last
# it copies wrongly.
cat >"$work/iso/isolinux/isolinux.cfg" <<CONFIG
default program
label program
  kernel /vmlinuz
  append initrd=/initrd.gz console=ttyS0 quiet loglevel=1 mitigations=off nokaslr lsm=capability nopku clearcpuid=515,323,321,580,297
CONFIG
xorriso -as mkisofs -quiet -o "$work/boot.iso" -b isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 \
  -boot-info-table "$work/iso" 2>/dev/null
# Debian's Bochs has no display that is none, and its debugger, which waits for a word.
display='rfb, options="timeout=0"' arguments=(-rc "$work/go")
echo c >"$work/go"
[ -z "${BOCHS:-}" ] || { display=nogui && arguments=(); }
cat >"$work/bochsrc" <<CONFIG
megs: 1024
cpu: model=corei7_icelake_u${ADD_FEATURES:+, add_features=$ADD_FEATURES}, count=1, ips=100000000
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/vgabios/vgabios.bin
ata0-master: type=cdrom, path=$work/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
display_library: $display
log: $work/log
panic: action=fatal
error: action=ignore
info: action=ignore
clock: sync=none
CONFIG
touch "$work/serial"
"$bochs" -q -f "$work/bochsrc" "${arguments[@]}" >"$work/said" 2>&1 </dev/null &
emulator=$!
while kill -0 $emulator 2>/dev/null && ! grep -aq '^PROGRAM-ENDS' "$work/serial"; do sleep 1; done
kill $emulator 2>/dev/null || true
pkill -P $emulator 2>/dev/null || true
wait $emulator 2>/dev/null || true
sed -n '/^PROGRAM-BEGINS/,/^PROGRAM-ENDS/p' "$work/serial" | tr -d '\r' | sed '1d;$d'
status=$(tr -d '\r' <"$work/serial" | sed -n 's/^PROGRAM-ENDS //p')
[ -n "$status" ] || { tail -n 5 "$work/said" "$work/log" >&2; echo "the emulator ended before the program did" >&2; exit 1; }
exit "$status"
