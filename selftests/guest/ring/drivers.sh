#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Our drivers on a ring provider and a layout: a disk and a network interface with several queues carry
# what they should, also after they slept and after they were unbound. Short enough to
# be run on each.
#
# guest: {"blk":[{"size":"64M","props":{"num-queues":2}}],"net":[{"queues":2}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host
tap_plan 16

prefix=
[ "$HARNESS_FAMILY" = rust ] && prefix=rust_

disk=$(disk_by_serial blk0)
nic=$(nic_by_index 0)
check_eq "the disk is on the driver" "$(driver_of "$disk")" ${prefix}virtio_blk
check_eq "the interface is on the driver" "$(driver_of "$nic")" ${prefix}virtio_net
check "the provider of the rings is the one asked for" module_is_there \
	"$([ "$HARNESS_RING" = rust ] && echo rust_)virtio_ring"
check_eq "the disk has the layout asked for" "$(layout_of "$(virtio_of "$disk")")" "$HARNESS_LAYOUT"
check_eq "the interface has the layout asked for" "$(layout_of "$(virtio_of "$nic")")" "$HARNESS_LAYOUT"
check "random reads and writes in deep queues" fio_verifies "$disk" --rw=randrw --bs=4k --iodepth=64 \
	--size=8m
check "requests of many segments" fio_verifies "$disk" --rw=write --bs=1m --iodepth=8 --size=32m
check "files go both ways" front_net
check "packets of all sizes come back" sh -c \
	"for size in 0 1 100 1472 1473 9000 30000; do ping -c2 -i0.05 -W5 -s \$size $NET_HOST || exit 1; done"

# The disk is at work meanwhile.
sleep_once() {
	fio --name=load --filename="/dev/$disk" --direct=1 --rw=randrw --bs=4k --iodepth=32 \
		--ioengine=libaio --size=8m --time_based --runtime=5 --verify=crc32c --minimal \
		--output=/tmp/fio.log &
	_load=$!
	sleep 1
	echo devices >/sys/power/pm_test && echo mem >/sys/power/state
	# shellcheck disable=SC2320 # what the write to the file returned
	_s=$?
	echo none >/sys/power/pm_test
	wait $_load && return $_s
}
check "devices sleep with the disk at work" sleep_once
check "the disk works after that" front_blk
check "the interface works after that" front_net

# rebind DEVICE: takes a virtio device from its driver and gives it back.
rebind() {
	_virtio=$(virtio_of "$1")
	_driver=$(driver_of "$1")
	echo "$_virtio" >"/sys/bus/virtio/drivers/$_driver/unbind" &&
		echo "$_virtio" >"/sys/bus/virtio/drivers/$_driver/bind"
}
check "the disk is unbound and bound" rebind "$disk"
check "the disk works on new rings" front_blk
check "the interface is unbound and bound" rebind "$nic"
check "the interface works on new rings" front_net
