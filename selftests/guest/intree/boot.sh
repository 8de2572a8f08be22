#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests a kernel with the Rust drivers and the Rust ring built in: it boots from a disk, and reaches the
# network, without a virtio module.
#
# guest: {"family":"none","kernel":"in-tree","cmdline":"kunit.enable=0",
# guest:  "blk":[{"size":"64M"},{"size":"64M","props":{"packed":"on"}}],"net":[{},{"props":{"packed":"on"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 14

# built_in MODULE: whether it is part of the kernel.
built_in() {
	grep -q "/$1\.ko$" "/lib/modules/$(uname -r)/modules.builtin"
}

# round_trip DISK: writes random blocks and reads them back past the cache.
round_trip() {
	dd if=/dev/urandom of=/run/harness/blocks bs=64k count=64 2>/dev/null &&
		dd if=/run/harness/blocks of="/dev/$1" bs=64k oflag=direct 2>/dev/null &&
		dd if="/dev/$1" bs=64k count=64 iflag=direct 2>/dev/null | cmp - /run/harness/blocks
}

for module in virtio virtio_pci rust_vring rust_virtio_ring rust_virtqueue rust_virtio_blk \
	rust_virtio_net; do
	built_in $module || missing="$missing $module"
done
check_eq "the drivers and the ring are built in" "$missing" ""
check_eq "no module is loaded" "$(cat /proc/modules)" ""

# Both have the same exported names; functions that are not exported tell them apart.
check_not "there is no code of the C ring" \
	grep -E ' [tT] (virtqueue_(add|resize)|vring_alloc_queue|detach_buf)_(split|packed)' /proc/kallsyms
check "there is code of the Rust ring" grep -qE ' [tT] _R[^ ]*5vring' /proc/kallsyms
check_eq "functions of the ring are there once" "$(grep -c ' T virtqueue_add_sgs$' /proc/kallsyms)" 1

root=$(disk_by_serial harness-root)
check "the root file system is on a disk" grep -q "^/dev/$root / " /proc/mounts
check_eq "the root disk is on the Rust driver" "$(driver_of "$root")" rust_virtio_blk
check "what is written is read again" round_trip "$(disk_by_serial blk0)"
check "what is written through a packed ring is read again" round_trip "$(disk_by_serial blk1)"

nic=$(nic_by_index 0)
check_eq "the NIC is on the Rust driver" "$(driver_of "$nic")" rust_virtio_net
check "the host answers" nic_up "$nic" 0
check "a file arrives at the host as it was" upload 8
check "a file arrives from the host as it was" download 8
check "the host answers through packed rings" nic_up "$(nic_by_index 1)" 1
