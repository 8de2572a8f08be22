#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Receive modes, addresses and VLANs reach the device's filter.
#
# guest: {"net":[{}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 21

nic=$(nic_by_index 0)
mac=$(cat "/sys/class/net/$nic/address")
assigned=$(cat "/sys/class/net/$nic/addr_assign_type")

cleanup() {
	ip link del vtest 2>/dev/null
	ip link del vlan5 2>/dev/null
	ip link set "$nic" down
	ip link set "$nic" address "$mac" promisc off allmulticast off
}

filter_is() {
	[ "$(rx_filter "$1")" = "$2" ]
}

filter_has() {
	rx_filter "$1" | jq -e "index(\"$2\") != null"
}

filter_lacks() {
	rx_filter "$1" | jq -e "index(\"$2\") == null"
}

ip link set "$nic" up
check "N40 promiscuous mode is off at first" wait_for 5 filter_is .promiscuous false
ip link set "$nic" promisc on
check "N40 promiscuous mode goes on" wait_for 5 filter_is .promiscuous true
ip link set "$nic" promisc off
check "N40 promiscuous mode goes off" wait_for 5 filter_is .promiscuous false
ip link set "$nic" allmulticast on
check "N40 all multicast goes on" wait_for 5 filter_is .multicast '"all"'
ip link set "$nic" allmulticast off
check "N40 all multicast goes off" wait_for 5 filter_is .multicast '"normal"'
ip maddr add 01:00:5e:11:22:33 dev "$nic"
check "N40 a multicast address is added" wait_for 5 filter_has '.["multicast-table"]' 01:00:5e:11:22:33
ip maddr del 01:00:5e:11:22:33 dev "$nic"
check "N40 a multicast address is removed" wait_for 5 filter_lacks '.["multicast-table"]' 01:00:5e:11:22:33
modprobe macvlan
ip link add vtest link "$nic" address 52:54:00:aa:bb:cc type macvlan
ip link set vtest up
check "N40 a second unicast address is added" wait_for 5 filter_has '.["unicast-table"]' 52:54:00:aa:bb:cc
check "N40 promiscuous mode stays off with it" filter_is .promiscuous false
ip link del vtest
check "N40 a second unicast address is removed" wait_for 5 filter_lacks '.["unicast-table"]' 52:54:00:aa:bb:cc

modprobe 8021q
check_eq "N41 the interface filters VLANs" "$(feature_of "$nic" rx-vlan-filter)" on
ip link add vlan5 link "$nic" type vlan id 5
ip link set vlan5 up
check_eq "N41 the VLAN has the offloads" "$(feature_of vlan5 tx-tcp-segmentation)" on
check_eq "N41 the filter has the VLAN" "$(rx_filter '.["vlan-table"] | index(5) != null')" true
ip addr add 10.5.0.2/24 dev vlan5
if host sh 'ip link add vlan5 link tap0 type vlan id 5 && ip addr add 10.5.0.1/24 dev vlan5 && ip link set vlan5 up' >/dev/null; then
	check "N41 traffic on the VLAN" wait_for 20 ping -c1 -W2 10.5.0.1
	host sh 'ip link del vlan5' >/dev/null
else
	skip "N41 traffic on the VLAN" "the host has no VLANs"
fi
ip link del vlan5
check_eq "N41 the VLAN is gone" "$(rx_filter '.["vlan-table"] | index(5) != null')" false

check "N42 the address changes while the interface is up" ip link set "$nic" address 52:54:00:12:34:56
check "N42 the device has the new address" wait_for 5 filter_is '.["main-mac"]' '"52:54:00:12:34:56"'
check_not "N9 a group address is refused" ip link set "$nic" address 01:00:5e:00:00:01
check_eq "N42 the old address is kept then" "$(cat "/sys/class/net/$nic/address")" 52:54:00:12:34:56
ip link set "$nic" address "$mac"
check "N42 traffic after the address changed" nic_up "$nic" 0
check_eq "N8 the address was not assigned by the driver" "$assigned" 0
