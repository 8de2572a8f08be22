#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Jumbo packets from a device without mergeable buffers.
#
# guest: {"net":[{"mtu":9000,"props":{"host_mtu":9000,"mrg_rxbuf":"off","guest_tso4":"off","guest_tso6":"off","guest_ecn":"off","guest_ufo":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 8

nic=$(nic_by_index 0)
check_eq "N30 the MTU is the device's" "$(cat "/sys/class/net/$nic/mtu")" 9000
check "N23 traffic" nic_up "$nic" 0
for size in 56 128 129 4032 8972; do
	check "N23 ping of $size bytes" ping -M "do" -c3 -i0.2 -W5 -s "$size" "$NET_HOST"
done
check "N23 a file arrives" download 8
