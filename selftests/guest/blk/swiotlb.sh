#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that disks work with all data bounced through a small pool.
#
# guest: {"vcpus":2,"cmdline":"swiotlb=force","blk":[
# guest:  {"size":"64M","props":{"iommu_platform":"on"}},
# guest:  {"size":"64M","props":{"iommu_platform":"on","packed":"on"}},
# guest:  {"size":"64M","props":{"iommu_platform":"on","num-queues":1,"queue-size":16,
# guest:   "seg-max-adjust":"off","in_order":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/segments.sh"

verify() {
	fio --name=verify --filename="/dev/$1" --direct=1 --verify=crc32c --ioengine=libaio \
		--minimal --output=/tmp/fio.log --rw=randrw "$2" "$3" --size=16m
}

mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
bounced() {
	cat /sys/kernel/debug/swiotlb/io_tlb_used
}

given_back() {
	[ "$(bounced)" -le "$before" ]
}
before=$(bounced 2>/dev/null)

for n in 0 1; do
	disk=$(disk_by_serial blk$n)
	check_eq "B15 a segment is what can be bounced in one piece: blk$n" \
		"$(cat "/sys/block/$disk/queue/max_segment_size")" 262144
	check "B5 B15 small and large requests: blk$n" verify "$disk" --bsrange=4k-256k --iodepth=64
	check "B5 B15 requests of many segments: blk$n" verify "$disk" --bs=2m --iodepth=16
	if [ -n "$before" ]; then
		check "R21 nothing stays mapped: blk$n" wait_for 20 given_back
	else
		skip "R21 nothing stays mapped: blk$n" "the kernel does not tell how much is bounced"
	fi
done

# A table that is copied is copied when it has been written.
segments_checks "B14 copied" "$(disk_by_serial blk2)" 126
