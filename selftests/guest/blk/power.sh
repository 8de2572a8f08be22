#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that disks come through sleep and through a reset of the transport, with I/O outstanding. The
# root file system is on such a disk, too.
#
# guest: {"vcpus":4,"blk":[{"size":"64M","props":{"num-queues":4}},
# guest:  {"size":"64M","props":{"packed":"on"}}]}

. "$(dirname "$0")/../lib/tap.sh"

# under_load DISK SECONDS COMMAND...: runs a command while a disk is written and verified.
under_load() {
	_d=$1
	_t=$2
	shift 2
	fio --name=load --filename="/dev/$_d" --direct=1 --rw=randrw --bs=4k --iodepth=32 \
		--ioengine=libaio --size=16m --time_based --runtime="$_t" --verify=crc32c \
		--minimal --output=/tmp/fio.log &
	_load=$!
	sleep 2
	"$@"
	_result=$?
	wait $_load && return $_result
}

works() {
	fio --name=v --filename="/dev/$1" --direct=1 --rw=randrw --bs=4k --iodepth=32 \
		--ioengine=libaio --size=8m --verify=crc32c --minimal --output=/tmp/fio.log
}

sleep_once() {
	echo "$1" > /sys/power/pm_test && echo mem > /sys/power/state
	# shellcheck disable=SC2320 # what the write to the file returned
	_s=$?
	echo none > /sys/power/pm_test
	return $_s
}

disk=$(disk_by_serial blk0)
packed=$(disk_by_serial blk1)
if grep -qw mem /sys/power/state 2>/dev/null && [ -w /sys/power/pm_test ]; then
	check "B36 devices go to sleep and wake up" sleep_once devices
	check "B36 the disk works after that" works "$disk"
	check "B36 and the other" works "$packed"
	check "B36 devices sleep under I/O" under_load "$disk" 15 sleep_once devices
	check "B36 a packed ring sleeps under I/O" under_load "$packed" 15 sleep_once devices
	check_eq "B36 it has its queues" "$(ls "/sys/block/$disk/mq" | wc -l)" 4
else
	skip "B36 devices go to sleep and wake up" "no pm_test"
fi

flr() {
	echo flr > "/sys/bus/pci/devices/$1/reset_method" 2>/dev/null
	echo 1 > "/sys/bus/pci/devices/$1/reset"
}
resets() {
	i=0
	while [ $i -lt 5 ]; do
		flr "$1" || return 1
		i=$((i + 1))
	done
}
check "B48 the transport is reset" resets "$(pci_of "$disk")"
check "B48 the disk works after that" works "$disk"
check "B48 the transport is reset under I/O" under_load "$disk" 10 resets "$(pci_of "$disk")"
check "B48 a packed ring is reset under I/O" under_load "$packed" 10 resets "$(pci_of "$packed")"
check "B48 the disk is the same" test "$(disk_by_serial blk0)" = "$disk"
check "B48 its attributes work" test "$(cat "/sys/block/$disk/cache_type")" = "write back"
