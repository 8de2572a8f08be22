#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The programs of xdp-tools do with the Rust driver what they do with the C driver. Two NICs have a driver under
# test, each is wired to another NIC; see docs/upstream-tests.md.
#
# guest: {"long":true,"kernel":"debian","image":"upstream","family":"c","ring":"c","mem":"2G","modules":["virtio_net"],
# guest: "net":[{"queues":4,"dhcp":false},{"dhcp":false},{"queues":4,"dhcp":false},{"dhcp":false}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/wire.sh"
need_host

wire_up 0 1 && wire_up 2 3 || skip_all "the host cannot wire two NICs: its kernel has no bridges"
modprobe rust_virtio_net || exit 1
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
devices=
for index in 0 1 2 3; do devices="$devices $(virtio_of "$(nic_by_index $index)")"; done
# shellcheck disable=SC2086 # several words
exec python3 ../lib/xdp_tools.py $devices $HARNESS_ONLY
