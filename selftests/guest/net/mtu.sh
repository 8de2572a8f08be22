#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Sizes of packets, up to the largest.
#
# guest: {"net":[{"mtu":65521}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 16

nic=$(nic_by_index 0)

size=/sys/class/net/$nic/queues/rx-0/virtio_net/mergeable_rx_buffer_size
before=$(cat "$size")

cleanup() {
	ip link set "$nic" mtu 1500
}

check_not "N28 an MTU below that of IPv4 is refused" ip link set "$nic" mtu 67
check "N28 the smallest MTU" ip link set "$nic" mtu 68
check_not "N28 an MTU beyond 65535 is refused" ip link set "$nic" mtu 65536
check "N28 the largest MTU" ip link set "$nic" mtu 65535
ip link set "$nic" mtu 65521
check "N22 traffic with the largest MTU of the host" nic_up "$nic" 0
for bytes in 1472 1473 4000 8972 16000 40000 65000 65493; do
	check "N22 ping of $bytes bytes in one packet" ping -M "do" -c3 -i0.2 -W5 -s "$bytes" "$NET_HOST"
done
check "N22 a file arrives in large packets" download 8
iperf 3 -R >/dev/null
check "N61 receive buffers start at the usual length" test "$before" -ge 1536 -a "$before" -lt 4096
check "N61 receive buffers grow with the packets" test "$(cat "$size")" -gt "$before"
