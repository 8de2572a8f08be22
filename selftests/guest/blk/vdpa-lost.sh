#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests disks whose process answers no requests any more, is killed, or stands still, under load: requests are
# done after the driver has started the device anew, or fail where there is nobody who does the reset.
#
# A reset over VDUSE waits for an answer of the process, or of the next one, for `msg_timeout`. Without one the
# kernel is done with the device for good.
#
# guest: {"modules":["virtio_vdpa"],"programs":["qemu-storage-daemon"],
# guest:  "allow":["Buffer I/O error","I/O error, dev vd"]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/vdpa.sh"
. "$(dirname "$0")/../lib/vdpa-blk.sh"

vdpa_has vduse || skip_all "the kernel has no vduse"
[ "$HARNESS_FAMILY" = rust ] || skip_all "the C driver waits for the process without an end"

# count TEXT: how many lines of the log have it.
count() {
	dmesg | grep -c "\[$name\].*$1"
}

has_more() {
	[ "$(count "$1")" -gt "$2" ]
}

# waits: the driver has asked for the reset.
waits() {
	cat /proc/[0-9]*/wchan 2>/dev/null | grep -q vduse_
}

# disk LAYOUT ARGUMENT...: another disk, which the driver is impatient with.
disk() {
	layout=$1
	shift
	args=$*
	truncate -s 16M $VDPA_TMP/disk.img
	vduse_disk "$@" disk $VDPA_TMP/disk.img
	wait_for 20 vduse_is_there disk
	vdpa_add disk vduse
	name=$(vdpa_child disk block)
	check "$layout: a disk is there" test -b "/dev/$name"
	echo "$(patient 1)000" >"/sys/block/$name/queue/io_timeout"
}

# away: the disk goes, and its process.
away() {
	vdpa_del disk
	vduse_stop
	wait_for 20 vduse_gone disk
}

# under_load COMMAND...: the command while fio verifies what it wrote, which goes on after that, all well.
under_load() {
	rm -f $VDPA_TMP/stop
	keeps_verifying &
	_load=$!
	wait_for 20 is_busy disk
	"$@"
	_status=$?
	_before=$(done_by disk)
	wait_for 60 has_done_more disk $((_before + 100)) || _status=1
	touch $VDPA_TMP/stop
	wait $_load && [ $_status -eq 0 ]
}

goes_mute() {
	_n=$(count "started anew")
	kill -USR1 "$(cat $VDPA_TMP/pid)"
	wait_for 60 has_more "started anew" "$_n"
}

# returns: the process dies, and another one comes while the driver waits for the reset.
returns() {
	_n=$(count "started anew")
	vduse_kill
	wait_for 60 waits || return 1
	# shellcheck disable=SC2086 # $args is options
	vduse_disk $args disk $VDPA_TMP/disk.img
	wait_for 60 has_more "started anew" "$_n"
}

# fails: a request ends, with an error.
fails() {
	within 20 dd if="/dev/$name" of=/dev/null bs=4k count=1 iflag=direct
	[ $? -eq 1 ]
}

# stands_still: the process stops without dying, and the driver does not wait for it for ever.
stands_still() {
	_n=$(count "given up")
	patient 3 >/sys/class/vduse/disk/msg_timeout
	(load disk "$(patient 60)") &
	_load=$!
	wait_for 20 is_busy disk
	kill -STOP "$(cat $VDPA_TMP/pid)"
	wait_for 60 has_more "given up" "$_n" || return 1
	# Its requests have ended, and so does fio.
	wait $_load
	! is_busy disk
}

# goes_on: the process goes on with what it had taken, in memory that is not the driver's any more.
goes_on() {
	kill -CONT "$(cat $VDPA_TMP/pid)"
	sleep 1
	vduse_kill
	fails
}

disk split --event-idx
check "H073 B38 split: a process goes mute: requests are done" under_load goes_mute
check "F008 H073 split: a process dies: requests are done by another one" under_load returns
check "H074 split: the disk goes" away
disk packed --packed --event-idx --queues 2
check "F008 H073 packed: a process dies: requests are done by another one" under_load returns
check "H073 packed: a process stands still: requests end" stands_still
check "H073 packed: the disk fails what comes" fails
check "H074 packed: the process does no harm when it goes on" goes_on
check "H074 B37 packed: the disk goes" vdpa_del disk
check "packed: no device is left" vduse_remove disk

cleanup() {
	[ -s $VDPA_TMP/pid ] && kill -CONT "$(cat $VDPA_TMP/pid)" 2>/dev/null
	[ -e /sys/bus/vdpa/devices/disk ] && vdpa_del disk
	vduse_stop
	[ "$TAP_FAILED" -eq 0 ] || diag "$(cat $VDPA_TMP/log)"
	rm -rf $VDPA_TMP
}
