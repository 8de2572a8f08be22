# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the benchmark's scripts in a guest share: giving devices to drivers, and saying what was found.

. /run/harness/selftests/lib/host.sh
. /run/harness/selftests/lib/dev.sh

taken=

# fail TEXT: ends the measurement.
fail() {
	echo "$*"
	exit 1
}

# need COMMAND...: says that this cannot be measured if a command is missing in the guest.
need() {
	for _c in "$@"; do
		command -v "$_c" >/dev/null || {
			echo "skip there is no $_c in the guest"
			exit 0
		}
	done
}

# wait_for SECONDS COMMAND...: repeats COMMAND until it succeeds.
wait_for() {
	_end=$(($(date +%s) + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -gt "$_end" ] && return 1
		sleep 0.05
	done
}

# let_go DEVICE: takes a virtio device from its driver, if it has one.
let_go() {
	[ ! -e "/sys/bus/virtio/devices/$1/driver" ] ||
		echo "$1" >"/sys/bus/virtio/devices/$1/driver/unbind"
}

# give DEVICE DRIVER: gives a virtio device to a driver, until the script ends. Two kinds of drivers may
# choose the same name for their disks, so none keeps any.
give() {
	taken="$taken $1"
	trap let_go_taken EXIT
	let_go "$1" && echo "$1" >"/sys/bus/virtio/drivers/$2/bind" &&
		[ "$(driver_of "$1")" = "$2" ] || fail "$1 does not go to $2"
}

let_go_taken() {
	for _t in $taken; do
		let_go "$_t"
	done
}

# note_devices: keeps, by the names of the guest's description, which virtio device is which, and takes
# all but the root disk from their drivers. Called once, while all devices have drivers.
note_devices() {
	mkdir -p /run/harness/devices
	for _b in $(virtio_blk_disks); do
		virtio_of "$_b" >"/run/harness/devices/$(cat "/sys/block/$_b/serial")"
	done
	for _n in $(virtio_nics); do
		_i=$((0x$(cut -d: -f6 "/sys/class/net/$_n/address") - 1))
		virtio_of "$_n" >"/run/harness/devices/net$_i"
	done
	for _d in /run/harness/devices/*; do
		[ "${_d##*/}" = harness-root ] || let_go "$(cat "$_d")"
	done
}

# device NAME: prints the virtio device of a disk (blk0...) or a NIC (net0...) of the description.
device() {
	cat "/run/harness/devices/$1"
}

# block_of DEVICE / interface_of DEVICE: print the disk or the interface of a virtio device.
block_of() {
	ls "/sys/bus/virtio/devices/$1/block"
}

interface_of() {
	ls "/sys/bus/virtio/devices/$1/net"
}

# give_disk NAME DRIVER: sets $disk once the disk can be opened.
give_disk() {
	_d=$(device "$1") || fail "there is no $1"
	give "$_d" "$2"
	wait_for 30 block_of "$_d" || fail "$2 makes no disk of $1"
	disk=$(block_of "$_d")
	wait_for 30 test -b "/dev/$disk" || fail "there is no /dev/$disk"
}

# give_nic NAME DRIVER: sets $nic and $net, the first three bytes of its addresses, and waits until
# the host answers.
give_nic() {
	_d=$(device "$1") || fail "there is no $1"
	give "$_d" "$2"
	wait_for 30 interface_of "$_d" || fail "$2 makes no interface of $1"
	nic=$(interface_of "$_d")
	bring_up "$nic" "${1#net}"
}

# bring_up INTERFACE N: gives NIC number N its address and waits until the host answers.
bring_up() {
	net=$(nic_subnet "$2")
	ip link set "$1" up && ip addr replace "$net.2/24" dev "$1" ||
		fail "$1 does not come up"
	wait_for 30 ping -c1 -W1 "$net.1" || fail "the host does not answer on $1"
}
