#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests answers that fault injection loses (fail_io_timeout): their requests are late, and done or failed
# after a restart of the device, as if the device had not answered. Only on kernels with the option: the
# variant "debug".
#
# guest: {"vcpus":2,"blk":[{"size":"64M"}],
# guest:  "allow":["Buffer I/O error","I/O error, dev vd","started anew","given up","FAULT_INJECTION",
# guest:  "stopped with outstanding requests"]}

. "$(dirname "$0")/../lib/tap.sh"

mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
fail=/sys/kernel/debug/fail_io_timeout
[ -d $fail ] || skip_all "the kernel has no fail_io_timeout"

disk=$(disk_by_serial blk0)
dev=$(virtio_of "$disk")
driver=$(driver_of "$dev")
[ "$driver" = rust_virtio_blk ] || skip_all "the C driver loses the request for good"

# lose COUNT: so many answers of the disk are lost from now on.
lose() {
	echo 0 > $fail/verbose
	echo 100 > $fail/probability
	echo "$1" > $fail/times
	echo 1 > "/sys/block/$disk/io-timeout-fail"
}

# count TEXT: how many lines of the log have it.
count() {
	dmesg | grep -c "\[$disk\].*$1"
}

checksum() {
	timeout 120 dd if="/dev/$disk" bs=4k count=16 iflag=direct 2>/dev/null | cksum
}

dd if=/dev/urandom of="/dev/$disk" bs=4k count=16 oflag=direct 2>/dev/null
sum=$(checksum)
echo 1000 > "/sys/block/$disk/queue/io_timeout"

read_again() {
	before=$(count "started anew")
	lose 1
	[ "$(checksum)" = "$sum" ] && [ "$(count "started anew")" -gt "$before" ]
}

write_again() {
	lose 1
	timeout 120 dd if=/dev/zero of="/dev/$disk" bs=4k count=16 oflag=direct || return 1
	[ "$(checksum)" = "$(head -c 64k /dev/zero | cksum)" ]
}

# A flush answers for what was done before it, and is not sent again. Nothing is written before it.
flush_fails() {
	lose 1
	timeout 120 python3 - "/dev/$disk" <<-'END'
	import os, sys
	disk = os.open(sys.argv[1], os.O_RDWR)
	try:
	    os.fsync(disk)
	except OSError:
	    sys.exit(0)
	sys.exit(1)
	END
}

# The device has answered all it had, so that it does no harm to one that only forgets the ring (docs/recovery.md). The
# driver was bound anew: no restart came before.
alone() {
	echo "$dev" > "/sys/bus/virtio/drivers/$driver/unbind"
	echo "$dev" > "/sys/bus/virtio/drivers/$driver/bind"
	wait_for 10 disk_by_serial blk0 >/dev/null
	disk=$(disk_by_serial blk0)
	echo 1000 > "/sys/block/$disk/queue/io_timeout"
	echo 1 > "/sys/module/$driver/parameters/reset_queues"
	lose 1
	checksum >/dev/null
	echo 0 > "/sys/module/$driver/parameters/reset_queues"
	[ "$(count "started anew alone")" -eq 1 ]
}

unbind() {
	lose 1
	timeout 120 dd if="/dev/$disk" of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null &
	sleep 1
	timeout 120 sh -c "echo $dev > /sys/bus/virtio/drivers/$driver/unbind" || return 1
	wait
	[ ! -e "/sys/block/$disk" ]
}

check "B38 a read whose answer is lost is done after a restart" read_again
check "B38 a write too" write_again
check "B38 the disk works" test "$(checksum)" = "$(head -c 64k /dev/zero | cksum)"
check "B38 a flush fails" flush_fails
check "H073 a queue can be started anew alone" alone
check "H073 and the disk works" test "$(checksum)" = "$(head -c 64k /dev/zero | cksum)"
check "B38 a disk with a lost answer can be unbound" unbind

cleanup() {
	echo 0 > $fail/probability
	[ -e "/sys/bus/virtio/devices/$dev/driver" ] || echo "$dev" > "/sys/bus/virtio/drivers/$driver/bind"
}
