#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Enables the drivers on a disk that is full: nothing of it may stay.

. "$(dirname "$0")/../lib/tap.sh"

cleanup() {
	rm -f /var/full
}

# Leaves some megabytes, to root: ext4 keeps 16 of those that it says are free. What is written back later
# takes some as well.
fill() {
	sync
	for _mb in 18 20 24; do
		fallocate -l $(($(stat -f -c '%f * %S' /) - _mb * 1048576)) /var/full && return
		rm -f /var/full
	done
	df / && return 1
}

# refused: whether enabling fails, and says that it has changed nothing.
refused() {
	! rust-virtio enable all >/tmp/enable 2>&1 || return
	grep 'nothing was changed' /tmp/enable || { cat /tmp/enable; false; }
}

initramfs() {
	(cd /boot && sha256sum initrd.img-*)
}

before=$(initramfs)
files=$(ls -A /boot)
etc=$(find /etc -xdev -type f -exec sha256sum {} + | sort)
check "the disk is filled" fill
check "enabling fails and says so" refused
rm -f /var/full
check_eq "the initramfs is as it was" "$(initramfs)" "$before"
check "and whole" sh -c 'lsinitramfs /boot/initrd.img-$(uname -r) | grep /virtio_blk.ko'
check_eq "/etc is as it was" "$(find /etc -xdev -type f -exec sha256sum {} + | sort)" "$etc"
check_eq "nothing half-made is in /boot" "$(ls -A /boot)" "$files"
