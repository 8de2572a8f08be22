#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Queues, NAPI instances, page pools and statistics of queues, as the netdev family tells them.
#
# guest: {"vcpus":2,"net":[{"queues":2}],"cmdline":"harness.netdev"}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 17

nic=$(nic_by_index 0)
dump="python3 $(dirname "$0")/../lib/netdev.py"

lines() {
	$dump "$1" "$nic" | jq -s "$2"
}

check "N54 traffic" nic_up "$nic" 0
check "N53 traffic both ways" iperf_ok 2 --bidir
check_eq "N54 receive queues" "$(lines queues '[.[] | select(.type == 0)] | length')" 2
check_eq "N54 transmit queues" "$(lines queues '[.[] | select(.type == 1)] | length')" 2
# Those of transmit queues are not for busy polling, and have no number.
check_eq "N54 every receive queue has a NAPI instance" \
	"$(lines queues '[.[] | select(.["napi-id"] and .type == 0)] | length')" 2
check_eq "N54 there are as many instances" "$(lines napis length)" 2
check_eq "N20 every receive queue has a page pool" "$(lines page-pools 'length')" 2
check_eq "N20 the pools have instances" "$(lines page-pools '[.[] | select(.["napi-id"])] | length')" 2
check "N53 packets of the device" sh -c "[ $(lines qstats '.[0]["rx-packets"] > 0 and .[0]["tx-packets"] > 0') = true ]"
# sums_agree: whether the packets of the queues are those of the interface, if none came in between.
sums_agree() {
	[ "$(lines qstats-queue '[.[] | .["rx-packets"] // 0] | add') $(lines qstats-queue '[.[] | .["tx-packets"] // 0] | add')" = \
		"$(cat "/sys/class/net/$nic/statistics/rx_packets") $(cat "/sys/class/net/$nic/statistics/tx_packets")" ]
}
check "N53 packets are the sum over the queues" wait_for 20 sums_agree
check_eq "N53 stops and wakes are counted" "$(lines qstats '.[0] | has("tx-stop") and has("tx-wake")')" true
check_eq "N17 stops and wakes match" \
	"$(lines qstats '.[0] | ((.["tx-stop"] - .["tx-wake"]) | . >= 0 and . <= 2)')" true
check_eq "N53 what is not known is left out" "$(lines qstats '.[0] | has("rx-alloc-fail") or has("rx-hw-drops")')" false
total=$(lines qstats '.[0]["rx-packets"]')
ethtool -L "$nic" combined 1
check_eq "N53 a queue that is not in use still counts" "$(lines qstats ".[0][\"rx-packets\"] >= $total")" true
ethtool -L "$nic" combined 2
ip link set "$nic" down
check_eq "N54 no instance while down" "$(lines queues '[.[] | select(.["napi-id"])] | length')" 0
check_eq "N20 the pools stay while down" "$(lines page-pools '[.[] | select(has("detach-time") | not)] | length')" 2
check "N54 traffic again" nic_up "$nic" 0
