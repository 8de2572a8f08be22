#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A system boots from a disk on the Rust ring, which an install line in the initial RAM disk chose,
# with the C ring installed as well.
#
# guest: {"family":"rust","ring":"both","kmod":true,"net":[{}],
# guest:  "modprobe":["install virtio_ring /usr/local/sbin/modprobe rust_virtio_ring"]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 5

check "the ring is ours" test -d /sys/module/rust_virtio_ring
check_not "the one in C is not loaded" test -d /sys/module/virtio_ring
check "it is installed" modinfo virtio_ring
check_eq "the root file system is on our driver" "$(driver_of "$(disk_by_serial harness-root)")" \
	rust_virtio_blk
nic=$(nic_by_index 0)
check "the network works" nic_up "$nic"
