#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The device goes and comes while packets are outstanding.
#
# guest: {"net":[{}],"cmdline":"harness.hotplug"}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 8

nic=$(nic_by_index 0)
check "N63 traffic" nic_up "$nic" 0

plug() {
	host sh "ip tuntap add dev tap7 mode tap vnet_hdr 2>/dev/null; ip addr replace 198.18.7.1/24 dev tap7; ip link set tap7 up" &&
		qmp_cmd netdev_add '{"type":"tap","id":"hp","ifname":"tap7","script":"no","downscript":"no","vhost":false}' >/dev/null &&
		qmp_cmd device_add '{"driver":"virtio-net-pci","id":"hp","netdev":"hp","bus":"spare0","mac":"52:54:00:77:77:77"}' >/dev/null &&
		wait_for_device hot_nic
}

hot_nic() {
	for _n in /sys/class/net/*; do
		[ "$(cat "$_n/address")" = 52:54:00:77:77:77 ] && echo "${_n##*/}" && return 0
	done
	return 1
}

unplug() {
	unplug_device hp no_hot_nic &&
		wait_for 10 qmp_cmd netdev_del '{"id":"hp"}' && wait_for_slot
}

no_hot_nic() {
	! hot_nic
}

use() {
	_hot=$(hot_nic) && ip link set "$_hot" up && ip addr add 198.18.7.2/24 dev "$_hot" &&
		wait_for 20 reaches 198.18.7.1
}

# busy: sends packets until it is killed, and returns when some are on their way.
busy() {
	ping -q -f -w "$(patient 300)" -s 3000 198.18.7.1 >/dev/null 2>&1 &
	_sent=/sys/class/net/$(hot_nic)/statistics/tx_packets
	wait_for 20 has_grown "$_sent" $(($(cat "$_sent") + 20))
}

has_grown() {
	[ "$(cat "$1")" -gt "$2" ]
}

check "N63 a device is plugged in" plug
check "N63 it carries traffic" use
busy
check "N63 it is unplugged under traffic" unplug
kill $! 2>/dev/null
wait
check "N63 it is plugged in again" plug
check "N63 it carries traffic again" use
check "N63 it is unplugged" unplug
check "N63 the other interface carries traffic" ping -c3 -i0.2 "$NET_HOST"
