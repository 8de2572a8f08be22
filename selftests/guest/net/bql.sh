#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The byte limit of a transmit queue, and what reaps it.
#
# guest: {"vcpus":1,"net":[{}],"cmdline":"harness.bql"}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 8

nic=$(nic_by_index 0)
vdev=$(virtio_of "$nic")
limits=/sys/class/net/$nic/queues/tx-0/byte_queue_limits

tx_irqs() {
	awk -v name="$vdev-output.0" '$NF == name { print $2 }' /proc/interrupts
}

count() {
	cat "/sys/class/net/$nic/statistics/$1"
}

check "N58 traffic" nic_up "$nic" 0
inflight() {
	[ "$(cat "$limits/inflight")" -gt 0 ]
}

stream "$nic" || exit 1
# A look at the right moment: on one processor, what looks runs mostly when all is done.
if try_for 20 inflight; then
	ok "N58 bytes are outstanding"
else
	skip "N58 bytes are outstanding" "none of the looks met any"
fi
end_stream || exit 1
check "N58 none are when all is done" wait_for 5 sh -c "[ \$(cat $limits/inflight) = 0 ]"
check "N58 the limit adapts" test "$(cat "$limits/limit")" -gt 0
irqs=$(tx_irqs)
packets=$(count tx_packets)
check "N15 two-way TCP" iperf_ok 4 --bidir
irqs=$(($(tx_irqs) - irqs))
packets=$(($(count tx_packets) - packets))
diag "$irqs transmit interrupts for $packets packets"
check "N15 there are fewer interrupts than packets" test "$irqs" -lt "$packets"
check_eq "N14 nothing was dropped" "$(count tx_dropped) $(count tx_errors)" "0 0"
check "N58 traffic after that" ping -c3 -i0.2 "$NET_HOST"
