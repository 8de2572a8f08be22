#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# C front ends of every kind sleep and wake up, with their disks at work, and their rings with them.
#
# guest: front.json
# transports: pci mmio

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host
tap_plan 10

sleep_once() {
	echo devices >/sys/power/pm_test && echo mem >/sys/power/state
	# shellcheck disable=SC2320 # what the write to the file returned
	_s=$?
	echo none >/sys/power/pm_test
	return $_s
}

# The C driver of 9p cannot sleep: its device is dead after that. So it goes before, as it has to.
check "9p goes before" modprobe -r 9p 9pnet_virtio
check "devices go to sleep and wake up" sleep_once
for front in $FRONTS; do
	[ "$front" = 9p ] && modprobe -a 9pnet_virtio 9p
	check "$front works after that" front_"$front"
done

under_io() {
	modprobe -r 9p 9pnet_virtio
	fio --name=load --filename="/dev/$1" --direct=1 --rw=randrw --bs=4k --iodepth=16 \
		--ioengine=libaio --size=8m --time_based --runtime=6 --verify=crc32c --minimal \
		--output=/tmp/fio.log &
	_load=$!
	sleep 1
	sleep_once && wait $_load
}
check "devices sleep with a disk at work" under_io "$(disk_by_serial blk0)"

cleanup() {
	modprobe -a 9pnet_virtio 9p
}
