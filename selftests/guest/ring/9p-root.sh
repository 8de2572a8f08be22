#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A guest whose root file system is a directory of the host, over 9p on the C driver. (It has busybox
# only.)
#
# guest: {"family":"c","root":"9p"}
# transports: pci mmio

. "$(dirname "$0")/../lib/tap.sh"
need_host
tap_plan 6

check_eq "the root file system is on 9p" "$(awk '$2 == "/" && $3 != "rootfs" { print $3 }' /proc/mounts)" 9p
check "this shell runs from there" test /proc/$$/exe -ef /bin/busybox

# Programs are read and run from it, and what is written is with the host at once.
mkdir -p /root/tree
i=0
while [ $i -lt 40 ]; do
	dd if=/dev/urandom of=/root/tree/$i bs=$((i * 997 + 1)) count=1 2>/dev/null
	i=$((i + 1))
done
sum='sort | xargs sha256sum | sha256sum | cut -c1-64'
check_eq "the host has the files that were written" \
	"$(cd /root/tree && sh -c "find . -type f | $sum")" \
	"$(host sh "cd root-9p/root/tree && find . -type f | $sum")"
mv /root/tree/7 /root/tree/moved
ln -s moved /root/tree/link
rm /root/tree/8
check "renaming; linking and removing are seen by the host" host sh \
	'cd root-9p/root/tree && test ! -e 7 && test ! -e 8 && test -s moved && test "$(readlink link)" = moved'
cp /bin/busybox /root/busybox
check_eq "a program that was copied runs" "$(/root/busybox echo works)" works
check_eq "the host's copy is the same" "$(sha256sum </root/busybox)" \
	"$(host sh 'sha256sum <root-9p/root/busybox')"
rm -rf /root/tree /root/busybox
