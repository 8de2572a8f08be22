#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Devices on the C drivers go and come back, on every kind of front end: unplugged where the bus can do
# that, taken from the transport's driver elsewhere.
#
# guest: front.json
# transports: pci

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host
tap_plan 15

# place_of VIRTIO: prints the device on the bus of the transport that a virtio device belongs to.
place_of() {
	basename "$(dirname "$(readlink -f "/sys/bus/virtio/devices/$1")")"
}

gone() {
	test ! -e "/sys/bus/virtio/devices/$1"
}

# The disk with the root file system stays.
virtio_of_front() {
	case $1 in
	9p) virtio_of_type 9 ;;
	balloon) virtio_of_type 5 ;;
	blk) virtio_of "$(disk_by_serial blk0)" ;;
	console) virtio_of_type 3 ;;
	net) virtio_of_type 1 ;;
	rng) virtio_of_type 4 ;;
	scsi) virtio_of_type 8 ;;
	esac
}

# go_and_come FRONT: the device leaves and is there again.
go_and_come() {
	_virtio=$(virtio_of_front "$1") || return 1
	_place=$(place_of "$_virtio")
	_driver=$(readlink -f "/sys/bus/virtio/devices/$_virtio/../driver")
	echo "$_place" >"$_driver/unbind" || return 1
	gone "$_virtio" || return 1
	echo "$_place" >"$_driver/bind" || return 1
	wait_for 20 virtio_of_front "$1"
}

for front in $FRONTS; do
	check "the transport leaves $front and takes it again" go_and_come "$front"
	check "$front works after that" front_"$front"
done

# By the host, which waits until the guest lets go of it.
unplugged() {
	_virtio=$(virtio_of_front rng)
	unplug_device rng gone "$_virtio" || return 1
	wait_for_slot
	qmp_cmd device_add '{"driver":"virtio-rng-pci","id":"rng","bus":"port-rng","rng":"seed"}' \
		>/dev/null || return 1
	wait_for_device virtio_of_front rng && wait_for 10 front_rng
}
if [ "$HARNESS_TRANSPORT" = pci ]; then
	check "a device that is unplugged and plugged in works" unplugged
else
	skip "a device that is unplugged and plugged in works" "no hot plug on this bus"
fi
