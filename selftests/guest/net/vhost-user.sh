#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests NICs whose back ends are a process of the host, by vhost-user: the process reads and writes the
# rings itself, and may die and come back.
#
# guest: {"qemu":["-object","memory-backend-memfd,id=shared,size=1G,share=on",
# guest:  "-machine","memory-backend=shared"],"allow":["Buffer I/O error","I/O error, dev vd"]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/cable.sh"
need_host

case $HARNESS_FAMILY in
rust) driver=rust_virtio_net ;;
*) driver=virtio_net ;;
esac

# back_end: starts the process on the host.
back_end() {
	host run start && wait_for 20 host sh '[ -S near.sock ] && [ -S far.sock ]'
}

# nic_of END: prints the interface, by its address.
nic_of() {
	case $1 in
	near) _mac=52:54:00:76:75:01 ;;
	far) _mac=52:54:00:76:75:02 ;;
	esac
	for _n in /sys/class/net/*; do
		[ "$(cat "$_n/address")" = "$_mac" ] && echo "${_n##*/}" && return 0
	done
	return 1
}

# plug END PORT ADDRESS PROPERTIES
plug() {
	_nic="\"driver\":\"virtio-net-pci\",\"id\":\"$1\",\"netdev\":\"$1\",\"bus\":\"$2\",\"mq\":true"
	add_socket "$1" "$1.sock" &&
		qmp_cmd netdev_add "{\"type\":\"vhost-user\",\"id\":\"$1\",\"chardev\":\"$1\",\"queues\":2}" >/dev/null &&
		qmp_cmd device_add "{$_nic,\"mac\":\"52:54:00:76:75:0$3\"$4}" >/dev/null && wait_for_device nic_of "$1"
}

# unplug END: the character device goes with the network device.
unplug() {
	unplug_device "$1" is_gone "$1" &&
		wait_for 30 qmp_cmd netdev_del "{\"id\":\"$1\"}" && wait_for_slot
}

# is_gone END: whether QEMU has no such device any more.
is_gone() {
	! qmp_cmd qom-list "{\"path\":\"/machine/peripheral/$1\"}"
}

# plug_both PROPERTIES
plug_both() {
	plug near spare0 1 "$1" && plug far spare1 2 "$1"
}

# dies: the process dies while a file goes over the cable, and another one goes on.
dies() {
	_n=0
	while [ $_n -lt 2 ]; do
		rm -f $CABLE_TMP/in
		send_file 8 &
		_file=$!
		wait_for 60 test -s $CABLE_TMP/in
		host run kill && back_end || return 1
		wait $_file || return 1
		_n=$((_n + 1))
	done
}

# stands: the queues are taken from the process while a file goes over the cable, and it goes on with them.
stands() {
	rm -f $CABLE_TMP/in
	send_file 8 &
	_file=$!
	wait_for 60 test -s $CABLE_TMP/in
	host run stand && wait $_file && ping -c3 -i0.2 -W5 $CABLE_FAR
}

# use LAYOUT: what any NIC must do.
use() {
	near=$(nic_of near)
	check_eq "$1: both NICs are on the driver" "$(driver_of "$near") $(driver_of "$(nic_of far)")" "$driver $driver"
	check "$1: the interfaces come up" cable_up "$near" "$(nic_of far)"
	check "N12 $1: ping" ping -c3 -i0.2 -W5 $CABLE_FAR
	check "N12 $1: large ping in fragments" ping -c3 -i0.2 -W5 -s 20000 $CABLE_FAR
	check "N12 $1: a file arrives" send_file 8
	check "N12 $1: a file arrives though the machine stands still" stands
}

# leaves LAYOUT: the near one is unplugged under traffic.
leaves() {
	ping -q -f -w 60 -s 3000 $CABLE_FAR >/dev/null 2>&1 &
	check "N63 $1: a NIC is unplugged under traffic" unplug near
	kill $! 2>/dev/null
	wait $! 2>/dev/null
	cable_down
	check "N63 $1: the other one is unplugged" unplug far
}

check "the back ends start" back_end
check "the NICs are plugged in" plug_both ""
use split
check_eq "N44 split: there are two pairs" "$(ethtool -l "$near" | awk '$1 == "Combined:" { print $2 }' | head -n1)" 2
check "F008 split: a file arrives though the process dies" dies
leaves split
check "packed NICs are plugged in" plug_both ',"packed":true'
use packed
leaves packed

cleanup() {
	cable_down
	for _end in near far; do
		nic_of $_end >/dev/null && unplug $_end
	done
	host run kill
}
