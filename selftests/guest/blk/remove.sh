#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that disks can go at any time: by unbinding, unplugging and unloading, with I/O outstanding and
# with files open.
#
# guest: {"vcpus":4,"family":"c","modules":["rust_virtqueue"],
# guest:  "blk":[{"size":"64M","props":{"num-queues":4}},{"size":"64M"}],
# guest:  "allow":["Buffer I/O error","I/O error, dev vd","critical target error"]}

. "$(dirname "$0")/../lib/tap.sh"

driver=rust_virtio_blk
bus=/sys/bus/virtio/drivers

# The root disk stays with the driver that the guest started with, the others move.
modprobe $driver
disk=$(disk_by_serial blk0)
dev=$(virtio_of "$disk")
other=$(virtio_of "$(disk_by_serial blk1)")
give_to $driver "$dev" "$other"

# load DISK SECONDS: many requests at a time, submitted so: one after the other, a slow guest has few of them
# outstanding.
load() {
	fio --name=load --filename="/dev/$1" --allow_file_create=0 --direct=1 --rw=randrw --bs=4k --iodepth=32 \
		--iodepth_batch=16 --ioengine=libaio --size=32m --time_based --runtime="$2" --minimal \
		>/dev/null 2>&1
}

# getgeo: HDIO_GETGEO of standard input.
getgeo() {
	python3 -c '
import errno, fcntl, struct
try:
    print(*struct.unpack("BBHL", fcntl.ioctl(0, 0x301, bytes(16)))[:3])
except OSError as e:
    print(errno.errorcode[e.errno])'
}

# is_busy DISK: requests are outstanding.
is_busy() {
	[ "$(awk '{ print $9 }' "/sys/block/$1/stat")" -gt 8 ]
}

disk=$(disk_by_serial blk0)
check_eq "the disk is on our driver" "$(driver_of "$disk")" $driver
check "B3 names that another driver has are not used" test "$disk" != \
	"$(disk_by_serial harness-root)"
check "B5 the disk works" load "$disk" 1

# Unbinding with nothing to do, and with requests outstanding.
cycle() {
	i=0
	while [ $i -lt 20 ]; do
		echo "$dev" > $bus/$driver/unbind || return 1
		[ -e "/sys/block/$disk" ] && return 1
		echo "$dev" > $bus/$driver/bind || return 1
		wait_for 10 test -b "/dev/$disk" || return 1
		i=$((i + 1))
	done
}
check "B22 a disk can be unbound and bound again" cycle
check_eq "B3 the disk has its name again" "$(disk_by_serial blk0)" "$disk"

# limit_iops COUNT: so many requests a second are done, or with 0 as many as there are.
# With few, some are outstanding at any time, however slow the kernel is.
limit_iops() {
	have_host || return 0
	_limits="\"iops\":$1,\"iops_rd\":0,\"iops_wr\":0,\"bps\":0,\"bps_rd\":0,\"bps_wr\":0"
	qmp_cmd block_set_io_throttle "{\"id\":\"/machine/peripheral/blk0/virtio-backend\",$_limits}" >/dev/null
}

cycle_io() {
	limit_iops 200 || return 1
	i=0
	while [ $i -lt 10 ]; do
		load "$disk" "$(patient 20)" &
		wait_for 20 is_busy "$disk" || return 1
		echo "$dev" > $bus/$driver/unbind || return 1
		wait
		echo "$dev" > $bus/$driver/bind || return 1
		wait_for 10 test -b "/dev/$disk" || return 1
		i=$((i + 1))
	done
	limit_iops 0
}
check "B22 a disk can be unbound with requests outstanding" cycle_io
check "B5 the disk works after that" load "$disk" 1

# A file that is open keeps the name, not the device.
exec 4<"/dev/$disk"
check "B37 an open disk can be unbound" sh -c "echo $dev > $bus/$driver/unbind"
check_eq "B37 there is nothing left to read" "$(dd bs=4k count=1 iflag=direct <&4 2>/dev/null | wc -c)" 0
check_eq "B34 a disk that is gone has no geometry" "$(getgeo <&4)" ENXIO
check "B37 the device can be bound again meanwhile" sh -c "echo $dev > $bus/$driver/bind"
new=$(disk_by_serial blk0)
check "B37 and has another name while the old one is in use" test "$new" != "$disk"
check_not "B22 the module cannot be unloaded while a disk is open" rmmod $driver
exec 4<&-
echo "$dev" > $bus/$driver/unbind
echo "$dev" > $bus/$driver/bind
check_eq "B37 the name is free after the last close" "$(disk_by_serial blk0)" "$disk"

# Unplugging, as far as the guest lets go of it.
unplug() {
	unplug_device "$1" test ! -e "/sys/bus/virtio/devices/$2"
}

if have_host; then
	limit_iops 200
	load "$disk" "$(patient 60)" &
	check "requests are outstanding" wait_for 20 is_busy "$disk"
	check "B37 a disk can be unplugged with requests outstanding" unplug blk0 "$dev"
	wait
	plug() {
		# The slot is free some time after the driver has let the device go.
		wait_for_slot
		wait_for 20 qmp_cmd device_add \
			'{"driver":"virtio-blk-pci","id":"blk0","bus":"port-blk0","drive":"blk0","serial":"blk0"}' &&
			wait_for_device disk_by_serial blk0
	}
	check "B37 and plugged in again" plug
	# Whichever driver takes it; ours if it is alone in wanting it.
	disk=$(disk_by_serial blk0)
	check "B5 the disk works after that" load "$disk" 1
fi

# Loading and unloading.
reload() {
	i=0
	while [ $i -lt 10 ]; do
		rmmod $driver || return 1
		[ -e $bus/$driver ] && return 1
		[ "$(grep -c ' virtblk$' /proc/devices)" -le 1 ] || return 1
		modprobe $driver || return 1
		wait_for 10 disk_by_serial blk1 || return 1
		i=$((i + 1))
	done
}
check "B1 B22 the module can be unloaded and loaded" reload
disk=$(disk_by_serial blk1)
# Open until then, whenever the load begins and ends.
exec 4<"/dev/$disk"
load "$disk" 10 &
check "B22 a module in use cannot be unloaded" sh -c "! rmmod $driver"
wait
exec 4<&-
check "B22 a module can be unloaded after I/O" rmmod $driver
check "B22 and loaded again" modprobe $driver

cleanup() {
	# Back to where the guest started.
	for v in "$dev" "$other"; do
		[ -e "/sys/bus/virtio/devices/$v/driver" ] || echo "$v" > $bus/virtio_blk/bind
	done
}
