#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# State and speed of the link, and announcements.
#
# guest: {"net":[{"props":{"speed":10000,"duplex":"full"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 12

nic=$(nic_by_index 0)
id=$(nic_id 0)

carrier_is() {
	[ "$(cat "/sys/class/net/$nic/carrier")" = "$1" ]
}

set_link() {
	qmp_cmd set_link "{\"name\":\"$id\",\"up\":$1}" >/dev/null
}

cleanup() {
	set_link true
}

check "N26 the link is up" nic_up "$nic" 0
check_eq "N47 the speed is the device's" "$(cat "/sys/class/net/$nic/speed")" 10000
check_eq "N47 the duplex is the device's" "$(cat "/sys/class/net/$nic/duplex")" full
set_link false
check "N26 the link goes down" wait_for 10 carrier_is 0
check_eq "N49 ethtool sees that" "$(ethtool "$nic" | awk '/Link detected/ { print $3 }')" no
set_link true
check "N26 the link comes back" wait_for 10 carrier_is 1
check "N26 traffic after that" wait_for 10 reaches "$NET_HOST"
set_link false
wait_for 10 carrier_is 0
ip link set "$nic" down
set_link true
ip link set "$nic" up
check "N26 a change while the interface was down is seen" wait_for 10 carrier_is 1
ethtool -s "$nic" speed 100 duplex half
check_eq "N47 the user sets the speed" "$(cat "/sys/class/net/$nic/speed")" 100
check_eq "N47 the user sets the duplex" "$(cat "/sys/class/net/$nic/duplex")" half

nic_up "$nic" 0
# To all, of its own address: an answer to the host is none.
capture announce.txt "-c 1 -i tap0 'arp and src host $NET_GUEST and dst host $NET_GUEST'"
qmp_cmd announce-self '{"initial":50,"max":100,"rounds":3,"step":50}' >/dev/null
check "N43 the interface announces itself" wait_for 20 host sh "grep -q '$NET_GUEST' announce.txt"
check "N43 traffic after that" wait_for 10 reaches "$NET_HOST"
