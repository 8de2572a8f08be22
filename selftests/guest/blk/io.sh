#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that what is written is read back, on every layout of the ring and with and without the DMA
# API, from single sectors to requests of many segments.
#
# The small rings are never in order: QEMU 10.0 forgets what is completed out of order while a ring is
# full to its last descriptor (the C driver waits for ever then, too).
#
# guest: {"vcpus":4,"blk":[
# guest:  {"size":"64M"},
# guest:  {"size":"64M","props":{"packed":"on"}},
# guest:  {"size":"64M","props":{"indirect_desc":"off"}},
# guest:  {"size":"64M","props":{"packed":"on","indirect_desc":"off"}},
# guest:  {"size":"64M","props":{"event_idx":"off"}},
# guest:  {"size":"64M","props":{"num-queues":1,"queue-size":16,"in_order":"off"}},
# guest:  {"size":"64M","props":{"num-queues":1,"queue-size":16,
# guest:   "indirect_desc":"off","in_order":"off"}},
# guest:  {"size":"64M","props":{"num-queues":4,"iommu_platform":"on"}},
# guest:  {"size":"64M","props":{"iommu_platform":"on","packed":"on"}},
# guest:  {"size":"64M","port":false,"props":{"disable-modern":"on","disable-legacy":"off"}},
# guest:  {"size":"64M","props":{"logical_block_size":4096,"physical_block_size":4096}}]}

. "$(dirname "$0")/../lib/tap.sh"

# verify DISK OPTION...: fio with a checksum in every block.
verify() {
	_disk=$1
	shift
	fio --name=verify --filename="/dev/$_disk" --direct=1 --verify=crc32c --verify_fatal=1 \
		--minimal "$@" >/dev/null
}

n=0
for layout in split packed "split direct" "packed direct" "no event index" "small ring" \
	"small direct ring" "DMA API" "packed DMA API" legacy "4K blocks"; do
	disk=$(disk_by_serial blk$n)
	n=$((n + 1))
	check "B5 small random reads and writes: $layout" verify "$disk" --rw=randrw --bs=4k \
		--iodepth=32 --ioengine=libaio --size=8m
	check "B5 B7 large requests: $layout" verify "$disk" --rw=write --bs=1m --iodepth=8 \
		--ioengine=libaio --size=32m
	check "B5 B7 mixed sizes in deep queues: $layout" verify "$disk" --rw=randwrite \
		--bsrange=4k-256k --blockalign=4k --iodepth=64 --ioengine=io_uring --size=32m
	check "B19 flushes between writes: $layout" verify "$disk" --rw=randwrite --bs=4k \
		--iodepth=4 --ioengine=libaio --size=2m --fsync=8
done
check "B5 single sectors: split" verify "$(disk_by_serial blk0)" --rw=randrw --bs=512 \
	--iodepth=16 --ioengine=libaio --size=2m
check "B5 single sectors: small direct ring" verify "$(disk_by_serial blk6)" --rw=randrw \
	--bs=512 --iodepth=16 --ioengine=libaio --size=2m
check "B23 the legacy device is one" grep -qx '.\{32\}0.*' \
	"/sys/block/$(disk_by_serial blk9)/device/features"
check "B2 the packed ring was negotiated" grep -qx '.\{34\}1.*' \
	"/sys/block/$(disk_by_serial blk1)/device/features"
