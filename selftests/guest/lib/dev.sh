# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Finds the devices under test. "rust" and "C" drivers go by their names in sysfs.

# driver_of DEVICE: prints the driver of a network interface, a disk, or a virtio device.
driver_of() {
	for _d in "/sys/class/net/$1/device" "/sys/block/$1/device" "/sys/bus/virtio/devices/$1"; do
		[ -e "$_d/driver" ] && basename "$(readlink -f "$_d/driver")" && return 0
	done
	return 1
}

# module_is_there MODULE: succeeds if it is loaded, or part of the kernel: then sysfs may not have it.
module_is_there() {
	[ -d "/sys/module/$1" ] || grep -q "/$1\.ko$" "/lib/modules/$(uname -r)/modules.builtin"
}

# virtio_of DEVICE: prints the virtio device (virtio0...) of a network interface or a disk.
virtio_of() {
	for _d in "/sys/class/net/$1/device" "/sys/block/$1/device"; do
		[ -e "$_d" ] && basename "$(readlink -f "$_d")" && return 0
	done
	return 1
}

# give_to DRIVER VIRTIO...: has virtio devices change to a driver, unless they have it.
give_to() {
	_to=$1
	shift
	for _v; do
		[ "$(driver_of "$_v")" = "$_to" ] && continue
		echo "$_v" >"/sys/bus/virtio/devices/$_v/driver/unbind" && echo "$_v" >"/sys/bus/virtio/drivers/$_to/bind" || return 1
	done
}

# pci_of DEVICE: prints the PCI address of a network interface or a disk.
pci_of() {
	basename "$(dirname "$(readlink -f "/sys/bus/virtio/devices/$(virtio_of "$1")")")"
}

# virtio_blk_disks / virtio_nics: print the disks and the interfaces of whichever family is loaded.
virtio_blk_disks() {
	for _b in /sys/block/*; do
		case $(driver_of "${_b##*/}") in
		virtio_blk | rust_virtio_blk) echo "${_b##*/}" ;;
		esac
	done
}

virtio_nics() {
	for _n in /sys/class/net/*; do
		case $(driver_of "${_n##*/}") in
		virtio_net | rust_virtio_net) echo "${_n##*/}" ;;
		esac
	done
}

rust_blk_disks() {
	for _b in $(virtio_blk_disks); do
		[ "$(driver_of "$_b")" = rust_virtio_blk ] && echo "$_b"
	done
}

rust_nics() {
	for _n in $(virtio_nics); do
		[ "$(driver_of "$_n")" = rust_virtio_net ] && echo "$_n"
	done
}

# disk_by_serial SERIAL: prints the disk with that serial. The harness calls the disks of a guest's
# description blk0, blk1..., and the root disk harness-root.
disk_by_serial() {
	for _b in $(virtio_blk_disks); do
		[ "$(cat "/sys/block/$_b/serial" 2>/dev/null)" = "$1" ] && echo "$_b" && return 0
	done
	return 1
}

# nic_by_index N: prints the interface of NIC number N of the guest's description, by its address.
nic_by_index() {
	_mac=$(printf '52:54:00:00:00:%02x' $(($1 + 1)))
	for _n in /sys/class/net/*; do
		[ "$(cat "$_n/address")" = "$_mac" ] && echo "${_n##*/}" && return 0
	done
	return 1
}

# reaches ADDRESS: whether an answer to one of several pings comes. Each answer counts, however late: a guest whose
# processors wait for the host's may take seconds.
reaches() {
	ping -q -c1 -i0.2 -w10 "$1"
}

# nic_up INTERFACE [N]: gives NIC number N (0) its fixed addresses, 192.0.2.2 and fd00:N::2, and waits
# for the host's end to answer. The host is 192.0.2.1 (198.51.100.1 for NIC 1, 203.0.113.1 for NIC 2).
nic_up() {
	_net=$(nic_subnet "${2:-0}")
	ip link set "$1" up &&
		ip addr replace "$_net.2/24" dev "$1" &&
		ip -6 addr replace "fd00:${2:-0}::2/64" dev "$1" nodad &&
		wait_for 30 reaches "$_net.1"
}

# nic_subnet N: prints the first three bytes of the addresses of NIC number N.
nic_subnet() {
	case $1 in
	0) echo 192.0.2 ;;
	1) echo 198.51.100 ;;
	2) echo 203.0.113 ;;
	*) echo "198.18.$1" ;;
	esac
}

# irqs_of DEVICE: prints the sum of the interrupts of a disk's or an interface's virtio device.
irqs_of() {
	_v=$(virtio_of "$1") || return 1
	awk -v dev="$_v-" 'index($0, dev) {
		for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i
	} END { print sum + 0 }' /proc/interrupts
}
