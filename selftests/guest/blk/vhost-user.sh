#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests a disk whose back end is a process of the host, QEMU's storage daemon, by vhost-user: the process
# reads and writes the rings itself, and may die and come back.
#
# guest: {"qemu":["-object","memory-backend-memfd,id=shared,size=1G,share=on",
# guest:  "-machine","memory-backend=shared"],"allow":["Buffer I/O error","I/O error, dev vd"]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/vhost-user.sh"
need_host
tap_plan 13

# verify OPTION...: fio with a checksum in every block.
verify() {
	within 200 fio --name=verify --filename="/dev/$disk" --allow_file_create=0 --direct=1 --verify=crc32c \
		--verify_fatal=1 --ioengine=libaio --minimal "$@" >/dev/null
}

sum_here() {
	dd if="/dev/$disk" bs=1M iflag=direct 2>/dev/null | sha256sum
}

sum_there() {
	host sh "sha256sum <$IMAGE"
}

# done_by: prints how many requests have been done.
done_by() {
	awk '{ print $1 + $5 }' "/sys/block/$disk/stat"
}

has_done_more() {
	[ "$(done_by)" -gt "$1" ]
}

# dies: the back end dies again and again, and another one goes on. One request at a time: those that the
# daemon has taken and not finished are known to nobody if it finishes others first.
dies() {
	verify --rw=randwrite --bs=4k --iodepth=1 --size=4m --time_based --runtime="$(patient 8)" &
	_fio=$!
	_n=0
	while [ $_n -lt 3 ]; do
		_before=$(done_by)
		wait_for 30 has_done_more "$_before" || return 1
		daemon_dies && daemon || return 1
		_n=$((_n + 1))
	done
	_before=$(done_by)
	wait_for 30 has_done_more "$_before" || return 1
	wait $_fio
}

load() {
	exec fio --name=load --filename="/dev/$disk" --allow_file_create=0 --direct=1 --rw=randrw --bs=4k \
		--iodepth=32 --iodepth_batch=16 --ioengine=libaio --size=8m --time_based --runtime="$(patient 60)" \
		--minimal >/dev/null 2>&1
}

is_busy() {
	[ "$(awk '{ print $9 }' "/sys/block/$disk/stat")" -gt 0 ]
}

check "the back end starts" daemon
check "B1 a disk is plugged in" plug ',"num-queues":2,"queue-size":128'
disk=$(new_disk)
check_eq "it is on the driver" "$(driver_of "$disk")" $driver
check_eq "B13 the size is that of the file" "$(cat "/sys/block/$disk/size")" 131072
check_eq "B24 there are two queues" "$(find "/sys/block/$disk/mq" -mindepth 1 -maxdepth 1 | wc -l)" 2
check "B5 small random reads and writes" verify --rw=randrw --bs=4k --iodepth=32 --size=4m
check "B5 B7 large requests" verify --rw=write --bs=1m --iodepth=8 --size=32m
check "B19 flushes between writes" verify --rw=randwrite --bs=4k --iodepth=4 --size=2m --fsync=8
check_eq "B5 the file has what the disk has" "$(sum_there)" "$(sum_here)"
check "F008 requests go on with another back end" dies
check_eq "F008 the file has what the disk has" "$(sum_there)" "$(sum_here)"
(load) &
wait_for 20 is_busy
check "B37 it is unplugged with requests outstanding" unplug
wait $!
check "B37 another one is plugged in" plug ',"num-queues":1,"queue-size":256'
disk=$(new_disk)
