#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# stock-break.sh: spoils the modules of a machine whose next boot wants them: that of the disk is cut off,
# that of the network is one for another kernel. What they were is kept in /root/modules.

. "$(dirname "$0")/../lib/tap.sh"

top=/lib/modules/$(uname -r)/updates/dkms

# for_another_kernel FILE: gives a module another release of the same length.
for_another_kernel() {
	case $1 in
	*.xz) xz -d "$1" ;;
	*.zst) zstd -q -d --rm "$1" ;;
	esac
	_ko=${1%.ko*}.ko
	sed -i "s/vermagic=[0-9]\.[0-9]/vermagic=9.9/" "$_ko"
	modinfo -F vermagic "$_ko" | grep '^9\.9'
}

mkdir -p /root/modules
check "the modules are kept" cp -a "$top/." /root/modules/
disk=$(ls "$top"/rust_virtio_blk.ko*)
net=$(ls "$top"/rust_virtio_net.ko*)
check "the disk's module is cut off" truncate -s 1000 "$disk"
check "the network's module is for another kernel" for_another_kernel "$net"
depmod
check "the initramfs is made anew" update-initramfs -u
