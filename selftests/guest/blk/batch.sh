#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests how requests get to the device: in batches with one notification, with their priority, and
# with patience where the ring is full. Those rings are not in order: see io.sh.
#
# guest: {"vcpus":2,"trace":["virtio_queue_notify"],"blk":[{"size":"64M","props":{"num-queues":1}},
# guest:  {"size":"64M","props":{"num-queues":1,"queue-size":16,
# guest:   "indirect_desc":"off","in_order":"off"}},
# guest:  {"size":"64M","props":{"num-queues":1,"queue-size":4,"in_order":"off",
# guest:   "indirect_desc":"off","packed":"on"}}]}

. "$(dirname "$0")/../lib/tap.sh"
need_host

# notifications: prints how many there were so far, of all devices.
notifications() {
	host sh "grep -c virtio_queue_notify trace.log"
}

# done_of DISK: prints how many requests a disk has done.
done_of() {
	awk '{ print $1 + $5 + $12 + $16 }' "/sys/block/$1/stat"
}

disk=$(disk_by_serial blk0)
echo none > "/sys/block/$disk/queue/scheduler"
before=$(notifications)
requests=$(done_of "$disk")
fio --name=batch --filename="/dev/$disk" --direct=1 --rw=randread --bs=4k --iodepth=32 \
	--iodepth_batch_submit=32 --iodepth_batch_complete_min=32 --ioengine=io_uring --size=16m \
	--minimal --output=/tmp/fio.log
kicks=$(($(notifications) - before))
requests=$(($(done_of "$disk") - requests))
diag "$kicks notifications for $requests requests"
check "B11 B40 a batch is notified once" test $((kicks * 8)) -lt "$requests"
echo mq-deadline > "/sys/block/$disk/queue/scheduler"
check "B11 batches go through a scheduler" fio --name=batch --filename="/dev/$disk" --direct=1 \
	--rw=randrw --bs=4k --iodepth=32 --iodepth_batch_submit=16 --ioengine=io_uring --size=16m \
	--verify=crc32c --minimal --output=/tmp/fio.log
echo none > "/sys/block/$disk/queue/scheduler"

for n in 1 2; do
	disk=$(disk_by_serial blk$n)
	[ -n "$disk" ] || continue
	check "B12 many requests for a small ring: blk$n" fio --name=deep --filename="/dev/$disk" \
		--direct=1 --rw=randrw --bs=4k --iodepth=128 --ioengine=libaio --numjobs=4 \
		--size=4m --offset_increment=8m --verify=crc32c --minimal --output=/tmp/fio.log
	check "B12 large requests for a small ring: blk$n" fio --name=deep --filename="/dev/$disk" \
		--direct=1 --rw=randrw --bs=256k --iodepth=64 --ioengine=io_uring \
		--size=16m --verify=crc32c --minimal --output=/tmp/fio.log
done
