#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Both ring providers are installed, and modprobe decides which one the transports get; see
# docs/drop-in.md.
#
# guest: {"family":"none","root":"initramfs","ring":"both","kmod":true,"blk":[{"size":"16M"}]}

. "$(dirname "$0")/../lib/tap.sh"
tap_plan 20

# The shell of busybox takes its own, unless it is told where they are.
modprobe() { /usr/local/sbin/modprobe "$@"; }
insmod() { /usr/local/sbin/insmod "$@"; }
# shellcheck disable=SC2120
depmod() { /usr/local/sbin/depmod "$@"; }

conf=/etc/modprobe.d/ring.conf
modules=/lib/modules/$(uname -r)

# providers: prints the ring providers that are loaded.
providers() {
	(cd /sys/module && ls -d virtio_ring rust_virtio_ring 2>/dev/null | tr '\n' ' ' | sed 's/ $//')
}

# afresh: takes all of virtio out of the kernel.
afresh() {
	modprobe -r virtio_blk rust_virtio_blk virtio_pci virtio_ring rust_virtio_ring
	test -z "$(providers)"
}

# content SEED: writes a pattern over the disk, drops the caches, and compares.
content() {
	wait_for 20 test -b /dev/vda || return 1
	yes "$1" | dd of=/dev/vda bs=64k count=128 iflag=fullblock oflag=direct 2>/dev/null || return 1
	echo 3 >/proc/sys/vm/drop_caches
	_sum=$(yes "$1" | dd bs=64k count=128 iflag=fullblock 2>/dev/null | sha256sum)
	[ "$(dd if=/dev/vda bs=64k count=128 2>/dev/null | sha256sum)" = "$_sum" ]
}

check "all of virtio can be unloaded" afresh
check "installed is chosen: modprobe loads the C driver" modprobe -a virtio_pci virtio_blk
check_eq "installed is chosen: the ring is ours" "$(providers)" rust_virtio_ring
check "the C driver works on it" content one

# The other one is refused, and nothing of what works is touched.
check_not "a second provider is refused" insmod "$modules/kernel/virtio_ring.ko"
check "with a message that says why" sh -c \
	'dmesg | grep "virtio_ring: exports duplicate symbol .* (owned by rust_virtio_ring)"'
check "the C driver works after that" content two

afresh
echo 'install rust_virtio_ring /usr/local/sbin/modprobe virtio_ring' >$conf
check "an install line gives the C ring back" modprobe -a virtio_pci virtio_blk
check_eq "it is the one in C" "$(providers)" virtio_ring
check "the C driver works on that, too" content three
check_not "ours is refused as the second" insmod "$modules/updates/rust_virtio_ring.ko"
check_eq "which leaves the one in C" "$(providers)" virtio_ring

# A system where depmod found the C ring last.
afresh
rm -f $conf
mv "$modules/modules.order" "$modules/modules.order.saved"
(cd "$modules" && echo updates/rust_virtio_ring.ko >modules.order)
# shellcheck disable=SC2119
depmod
modprobe virtio_pci
check_eq "depmod can come to the C ring" "$(providers)" virtio_ring
afresh
echo 'install virtio_ring /usr/local/sbin/modprobe rust_virtio_ring' >$conf
check "an install line chooses ours" modprobe -a virtio_pci virtio_blk
check_eq "it is there alone" "$(providers)" rust_virtio_ring
check "the C driver works on ours" content four

# Who unloads one by one leaves behind what those need that are gone: a driver on the next ring must
# not take its queues for ours.
for module in virtio_blk virtio_pci virtio_pci_legacy_dev virtio_pci_modern_dev virtio rust_virtio_ring; do
	rmmod $module
done
check "the library of our ring can stay without it" test -d /sys/module/rust_vring
rm -f $conf
check "our driver comes with the C ring then" modprobe -a virtio_pci rust_virtio_blk
check_eq "the one in C is there alone" "$(providers)" virtio_ring
check "our driver works on it" content five

cleanup() {
	rm -f $conf
	mv "$modules/modules.order.saved" "$modules/modules.order"
	depmod
}
