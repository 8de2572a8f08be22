#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A virtio NIC is the standby of an emulated card with the same address, as for a card that is passed through and has to
# go before the machine is migrated. The card comes and goes under traffic.
#
# guest: {"vcpus":2,"net":[{"dhcp":false,"props":{"failover":"on"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/rounds.sh"
. "$(dirname "$0")/../lib/load-net.sh"
need_host
modprobe e1000 2>/dev/null || skip_all "no driver for an emulated card"
tap_plan 24

mac=52:54:00:00:00:01
LOAD_MIB=4

# The master has slaves below it.
master() {
	for _n in /sys/class/net/*; do
		for _l in "$_n"/lower_*; do
			[ -e "$_l" ] && echo "${_n##*/}" && return 0
		done
	done
	return 1
}

standby() {
	for _l in /sys/bus/virtio/devices/*/net/*/master; do
		[ -e "$_l" ] && basename "$(dirname "$_l")" && return 0
	done
	return 1
}

primary() {
	for _n in /sys/class/net/*; do
		[ "$(driver_of "${_n##*/}")" = e1000 ] && echo "${_n##*/}" && return 0
	done
	return 1
}

slaves() {
	for _s in /sys/class/net/"$(master)"/lower_*; do echo "${_s##*/lower_}"; done | sort | tr '\n' ' '
}

has_both() {
	[ "$(slaves)" = "$(printf '%s\n' "$(standby)" "$(primary)" | sort | tr '\n' ' ')" ]
}

uses_primary() {
	has_both && [ "$(cat "/sys/class/net/$(primary)/carrier")" = 1 ]
}

has_standby_only() {
	! primary && [ "$(slaves)" = "$(standby) " ]
}

# bridge_up: the host's ends of both cards are ports of a bridge, which has the host's addresses.
bridge_up() {
	host sh "ip link add br0 type bridge mcast_snooping 0 forward_delay 0; ip addr flush dev tap0" &&
		host sh "ip tuntap add dev tap7 mode tap vnet_hdr; ip link set tap7 up; ip link set br0 up" &&
		host sh "for n in tap0 tap7; do ip link set \$n master br0; echo 1 >/proc/sys/net/ipv6/conf/\$n/disable_ipv6; done" &&
		host sh "ip addr add $NET_HOST/24 dev br0 && ip -6 addr add $NET_HOST6/64 dev br0 nodad"
}

# add_card: plugs the card in; QEMU keeps it hidden until a driver has negotiated VIRTIO_NET_F_STANDBY.
add_card() {
	_card='"driver":"e1000","id":"card","netdev":"card","bus":"spare0","failover_pair_id":"net0"'
	qmp_cmd netdev_add '{"type":"tap","id":"card","ifname":"tap7","script":"no","downscript":"no","vhost":false}' >/dev/null &&
		qmp_cmd device_add "{$_card,\"mac\":\"$mac\"}" >/dev/null
}

plug() {
	add_card && wait_for_device primary && wait_for 30 uses_primary
}

unplug() {
	unplug_device card has_standby_only &&
		wait_for 10 qmp_cmd netdev_del '{"id":"card"}' && wait_for_slot
}

# comes_and_goes COUNT: the card is unplugged and plugged in again, with some time for traffic after each.
comes_and_goes() {
	for _n in $(seq "$1"); do
		unplug && answers && plug && answers || return 1
	done
}

sent() {
	cat "/sys/class/net/$1/statistics/tx_packets"
}

has_sent() {
	[ "$(sent "$1")" -ge "$2" ]
}

# sends_by INTERFACE [OTHER]: whether packets go out by that interface, and none by the other one.
sends_by() {
	_before=$(sent "$1")
	_other=$(sent "${2:-$1}")
	ping -q -c 20 -i 0.02 "$NET_HOST" || return 1
	# Packets count when the driver finds them sent.
	wait_for 10 has_sent "$1" $((_before + 20)) || return 1
	[ -z "$2" ] || [ "$(sent "$2")" = "$_other" ]
}

function_is_reset() {
	echo flr >"/sys/bus/pci/devices/$pci/reset_method" && echo 1 >"/sys/bus/pci/devices/$pci/reset" && answers
}

# check_reset NAME: the C driver does not support resets of the function.
check_reset() {
	case $driver in
	rust_*) check "$1" while_carrying function_is_reset ;;
	*) skip "$1" "of the Rust driver only" ;;
	esac
}

sleeps() {
	echo devices >/sys/power/pm_test
	echo mem >/sys/power/state && answers
}

unbind() {
	echo "$virtio" >"/sys/bus/virtio/drivers/$driver/unbind"
}

bind() {
	echo "$virtio" >"/sys/bus/virtio/drivers/$driver/bind"
}

cleanup() {
	echo none >/sys/power/pm_test
	primary >/dev/null && unplug
	rounds_end
}

virtio=$(virtio_of "$(standby)")
driver=$(driver_of "$virtio")
pci=$(pci_of "$(standby)")
check "N92 VIRTIO_NET_F_STANDBY is negotiated" has_feature "$(standby)" 62
check_eq "N92 the master is one of net_failover" "$(ethtool -i "$(master)" | awk '$1 == "driver:" { print $2 }')" net_failover
check_eq "N92 the master has the address" "$(cat "/sys/class/net/$(master)/address")" $mac
check_eq "N93 the port of the standby has a name" "$(cat "/sys/class/net/$(standby)/phys_port_name")" sby
check "N92 the standby is the only slave" has_standby_only
check "the host has a bridge" bridge_up
check "N92 traffic over the standby" nic_up "$(master)" 0
load_serves
check "N92 a card is plugged in and becomes the primary" plug
check "N92 traffic goes over the primary" sends_by "$(primary)" "$(standby)"
check "N92 bytes arrive over the primary" while_carrying sleep 2
check "N92 bytes arrive though the primary is unplugged" while_carrying unplug
check "N92 the standby is the only slave again" has_standby_only
check "N92 traffic goes over the standby" sends_by "$(standby)"
check_reset "N92 bytes arrive though the function of the standby is reset"
check "N92 bytes arrive though the machine sleeps" while_carrying sleeps
check "N92 bytes arrive though the primary is plugged in" while_carrying plug
check "N92 bytes arrive though the primary comes and goes" while_carrying comes_and_goes 3
check_reset "N92 bytes arrive over the primary though the function of the standby is reset"
unbind
check_not "N92 without the driver there is no master" master
check "N92 the primary is an interface by itself" test -n "$(primary)" -a ! -e "/sys/class/net/$(primary)/master"
check "N92 the driver is bound again" bind
check "N92 the master has both slaves" wait_for 20 has_both
check "N92 traffic after that" nic_up "$(master)" 0
check "N92 over the primary" wait_for 20 uses_primary
