#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests disks that do not answer: requests are done after a restart of the device, and disks that are
# silent, or not there, can be unbound and put to sleep.
#
# guest: {"vcpus":4,"family":"c","modules":["rust_virtqueue"],
# guest:  "blk":[{"size":"64M","props":{"num-queues":4}},{"size":"64M"}],
# guest:  "allow":["Buffer I/O error","I/O error, dev vd","started anew","given up","capacity cannot be read",
# guest:  "stopped with outstanding requests"]}

. "$(dirname "$0")/../lib/tap.sh"

driver=rust_virtio_blk
bus=/sys/bus/virtio/drivers

# The root disk stays with the driver that the guest started with, the others move.
modprobe $driver
disk=$(disk_by_serial blk0)
dev=$(virtio_of "$disk")
other=$(virtio_of "$(disk_by_serial blk1)")
give_to $driver "$dev" "$other"
disk=$(disk_by_serial blk0)
pci=$(pci_of "$disk")

# limit BYTES: so many bytes a second are moved, or with 0 as many as there are. With one, none is.
limit() {
	_limits="\"iops\":0,\"iops_rd\":0,\"iops_wr\":0,\"bps\":$1,\"bps_rd\":0,\"bps_wr\":0"
	qmp_cmd block_set_io_throttle "{\"id\":\"/machine/peripheral/blk0/virtio-backend\",$_limits}" >/dev/null
}

impatient() {
	# After five restarts in a row the disk is given up.
	echo "$(patient 4)000" > "/sys/block/$disk/queue/io_timeout"
}

# is_busy: requests are outstanding.
is_busy() {
	[ "$(awk '{ print $9 }' "/sys/block/$disk/stat")" -gt 0 ]
}

# count TEXT: how many lines of the log have it.
count() {
	dmesg | grep -c "\[$disk\].*$1"
}

# has_more TEXT COUNT: there are more lines than that.
has_more() {
	[ "$(count "$1")" -gt "$2" ]
}

# checksum: of the start of the disk, past the page cache.
checksum() {
	dd if="/dev/$disk" bs=64k count=16 iflag=direct 2>/dev/null | cksum
}

dd if=/dev/urandom of="/dev/$disk" bs=64k count=16 oflag=direct 2>/dev/null
sum=$(checksum)
impatient

# The device answers nothing, until it was started anew once.
silence() {
	before=$(count "started anew")
	limit 1 || return 1
	checksum > /tmp/sum &
	wait_for 60 has_more "started anew" "$before" || return 1
	limit 0
	wait
	[ "$(cat /tmp/sum)" = "$sum" ]
}

# Unbinds with requests outstanding that are not answered.
unbind_silent() {
	limit 1 || return 1
	dd if="/dev/$disk" of=/dev/null bs=4k count=64 iflag=direct 2>/dev/null &
	wait_for 20 is_busy || return 1
	within 60 sh -c "echo $dev > $bus/$driver/unbind" || return 1
	limit 0
	wait
	[ ! -e "/sys/block/$disk" ]
}

bind() {
	echo "$dev" > $bus/$driver/bind || return 1
	wait_for 10 disk_by_serial blk0 >/dev/null
	disk=$(disk_by_serial blk0)
	impatient
}

# decode ON: has the function answer accesses to its registers, or not.
decode() {
	python3 - "/sys/bus/pci/devices/$pci/config" "$1" <<-'END'
	import sys
	with open(sys.argv[1], 'r+b', buffering=0) as config:
	    config.seek(4)
	    command = int.from_bytes(config.read(2), 'little')
	    command = command | 2 if sys.argv[2] == '1' else command & ~2
	    config.seek(4)
	    config.write(command.to_bytes(2, 'little'))
	END
}

# The registers do not answer any more.
vanish() {
	before=$(count "given up")
	decode 0
	dd if="/dev/$disk" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null && return 1
	wait_for 60 has_more "given up" "$before" || return 1
	! dd if="/dev/$disk" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null
}

unbind_vanished() {
	within 60 sh -c "echo $dev > $bus/$driver/unbind"
}

# meanwhile COMMAND...: a read is outstanding, and ends well after the command.
meanwhile() {
	limit 1 || return 1
	checksum > /tmp/sum &
	wait_for 20 is_busy || return 1
	"$@" || return 1
	limit 0
	wait
	[ "$(cat /tmp/sum)" = "$sum" ]
}

flr() {
	echo flr > "/sys/bus/pci/devices/$pci/reset_method" 2>/dev/null
	within 60 sh -c "echo 1 > /sys/bus/pci/devices/$pci/reset"
}

# The function answers again when it was reset, as the transport enables it then.
flr_vanished() {
	decode 0
	flr
}

# The same holds when the system has slept. The reader cannot be frozen, so its request fails before.
sleep_vanished() {
	limit 1 || return 1
	checksum > /tmp/sum &
	wait_for 20 is_busy || return 1
	decode 0
	echo devices > /sys/power/pm_test || return 1
	within 120 sh -c "echo mem > /sys/power/state"
	slept=$?
	echo none > /sys/power/pm_test
	limit 0
	wait
	return $slept
}

if have_host; then
	check "H073 B38 a disk that is silent is started anew" silence
	check "H073 and works" test "$(checksum)" = "$sum"
	check "H074 a disk that is silent can be unbound" unbind_silent
	check "H074 and bound again" bind
	check "H074 and works" test "$(checksum)" = "$sum"
	check "B48 the transport of a silent disk can be reset" meanwhile flr
	check "B48 and the disk works" test "$(checksum)" = "$sum"
	check "H050 H074 a disk with requests whose registers do not answer can be reset" meanwhile flr_vanished
	check "H050 and works" test "$(checksum)" = "$sum"
	check "H050 H074 and the system can go to sleep" sleep_vanished
	check "H050 and the disk works afterwards" test "$(checksum)" = "$sum"
else
	skip "H073 B38 a disk that is silent is started anew" "no host"
fi
check "H050 a disk whose registers do not answer is given up" vanish
check "H050 and can be unbound" unbind_vanished
decode 1
check "H050 and bound again when it is there" bind
check "H050 and works" test "$(checksum)" = "$sum"

cleanup() {
	# Back to where the guest started.
	for v in "$dev" "$other"; do
		[ -e "/sys/bus/virtio/devices/$v/driver" ] || echo "$v" > $bus/virtio_blk/bind
	done
}
