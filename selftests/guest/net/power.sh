#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Sleep and wake-up.
#
# guest: {"vcpus":2,"net":[{"queues":2}],"cmdline":"harness.power"}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 16

nic=$(nic_by_index 0)
mac=$(cat "/sys/class/net/$nic/address")

cleanup() {
	echo none >/sys/power/pm_test
	ip link del vlan7 2>/dev/null
	ip link set "$nic" address "$mac" promisc off
	ethtool -K "$nic" rx-gro-hw on
	ethtool -L "$nic" combined 2
}

filter_is() {
	[ "$(rx_filter "$1")" = "$2" ]
}

# Devices go to sleep and wake up; the CPUs do not.
nap() {
	echo "$1" >/sys/power/pm_test && echo "$2" >/sys/power/state
}

# nap_under_traffic: sleeps while packets go and come.
nap_under_traffic() {
	_before=$(moved "$nic")
	ping -q -f -w 8 -s 3000 "$NET_HOST" >/dev/null &
	_pid=$!
	wait_for 20 has_moved "$nic" $((_before + 100000)) && nap devices mem
	_result=$?
	wait $_pid
	return $_result
}

check "N62 traffic" nic_up "$nic" 0
check "N62 sleep while up" nap devices mem
check "N62 traffic after that" wait_for 20 reaches "$NET_HOST"
check "N62 sleep while up under traffic" nap_under_traffic
check "N62 a file arrives after that" upload 4
ip link set "$nic" down
check "N62 sleep while down" nap devices mem
check "N62 traffic after coming up" nic_up "$nic" 0

modprobe 8021q
ip link add vlan7 link "$nic" type vlan id 7
ip link set vlan7 up
ip link set "$nic" address 52:54:00:12:34:57
ip link set "$nic" promisc on
ethtool -K "$nic" rx-gro-hw off
ethtool -L "$nic" combined 1
packets=$(cat "/sys/class/net/$nic/statistics/rx_packets")
check "N62 sleep with settings" nap devices mem
check "N62 the address is kept" wait_for 20 filter_is '.["main-mac"]' '"52:54:00:12:34:57"'
check "N62 promiscuous mode is kept" wait_for 20 filter_is .promiscuous true
check "N62 the VLAN is kept" wait_for 20 filter_is '.["vlan-table"] | index(7) != null' true
check_eq "N62 merged packets stay off" "$(feature_of "$nic" rx-gro-hw)" off
check_eq "N62 one pair is kept" "$(ethtool -l "$nic" | awk '/Combined/ { print $2 }' | tail -n1)" 1
check "N62 counters go on" test "$(cat "/sys/class/net/$nic/statistics/rx_packets")" -ge "$packets"
check "N62 traffic with settings" nic_up "$nic" 0
check "N62 a file arrives with settings" download 4
