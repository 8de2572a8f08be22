#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The guest moves from one QEMU to another under traffic, with and without an XDP program. The bridge sends the packets
# for the guest to the QEMU that the guest has left until something has come from the other one.
#
# guest: {"long":true,"vcpus":2,"mem":"512M","cmdline":"harness.migrate","net":[{"queues":4,"dhcp":false}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/rounds.sh"
. "$(dirname "$0")/../lib/load-net.sh"
need_host
tap_plan 25

nic=$(nic_by_index 0)
LOAD_MIB=4

xdp() {
	python3 "$(dirname "$0")/../lib/xdp.py" "$@"
}

# moves: the guest goes on in another QEMU, and reaches the host.
moves() {
	host run move && answers
}

turns_back() {
	host run turn_back && answers
}

# several COUNT: several moves, with some time for traffic after each.
several() {
	for _ in $(seq "$1"); do moves && sleep 1 || return 1; done
}

# filter_of: what the device is to receive, in a form that has the same order always.
filter_of() {
	rx_filter '{promiscuous, "vlan-table": (."vlan-table" | sort), "main-mac", multicast, unicast,
		"multicast-table": (."multicast-table" | sort), "unicast-table": (."unicast-table" | sort)}'
}

# reached: the host knows the address and asks for nothing, so the guest has to have said where it is.
reached() {
	host sh "ping -c1 -W2 $NET_GUEST"
}

has_program() {
	ip link show "$nic" | grep -q prog/xdp
}

combined() {
	ethtool -l "$nic" | awk '/^Current/ { now = 1 } now && $1 == "Combined:" { print $2 }'
}

cleanup() {
	xdp detach "$nic" 2>/dev/null
	ip link del vlan5 2>/dev/null
	rounds_end
}

check "the host has a bridge" host run bridge
ethtool -L "$nic" combined 2
check "N43 traffic" nic_up "$nic" 0
check "N43 the interface is to announce itself" has_feature "$nic" 21
load_serves
ip link add link "$nic" name vlan5 type vlan id 5
ip maddr add 01:00:5e:11:22:33 dev "$nic"
ip link set "$nic" promisc on
ip link set "$nic" promisc off
filter=$(filter_of)
check_eq "N41 the filter has the VLAN" "$(echo "$filter" | jq -c '."vlan-table" | contains([5])')" true

check "N43 bytes arrive though the guest moves" while_carrying moves
check_eq "N41 N40 the filters are as they were" "$(filter_of)" "$filter"
check_eq "N44 so is the number of pairs" "$(combined)" 2
check "N43 bytes arrive though the guest moves again and again" while_carrying several 3
check "N43 bytes arrive though a move is cancelled" while_carrying turns_back

# Nothing is sent meanwhile but by what announces the guest.
mac=$(cat "/sys/class/net/$nic/address")
host sh "ip neigh replace $NET_GUEST lladdr $mac nud permanent dev br0"
capture announce.txt "-c 1 -i br0 'arp and src host $NET_GUEST and dst host $NET_GUEST'" || exit 1
check "N43 the guest moves while no packet goes" host run move
check "N43 the interface announces itself" wait_for 30 host sh "grep -q 'ARP.*$NET_GUEST' announce.txt"
check "N43 the host reaches the guest" wait_for 30 reached
ip link set "$nic" down
host run move
ip link set "$nic" up
check "N43 traffic though the guest moved while the interface was down" nic_up "$nic" 0

check "N66 a program is attached" xdp attach "$nic" pass
check_eq "N69 each CPU has a pair" "$(combined)" 4
check "N66 bytes arrive with the program though the guest moves" while_carrying moves
check "N66 the interface has the program" has_program
check_eq "N69 each CPU still has a pair" "$(combined)" 4
xdp attach "$nic" tx
check_eq "N68 the program returns frames" "$(host run returned 50)" 50
check "N66 the guest moves with the program that does that" moves
check_eq "N68 the program returns frames after that" "$(host run returned 50)" 50
check "N66 bytes arrive with the program though the guest moves again and again" while_carrying several 2
check "N66 the program is detached" xdp detach "$nic"
check_eq "N69 the pairs are given back" "$(combined)" 2
check "N43 bytes arrive without the program though the guest moves" while_carrying moves
