#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that the limits of a queue are those that the device asks for.
#
# guest: {"vcpus":2,"blk":[
# guest:  {"size":"64M","props":{"logical_block_size":512,"physical_block_size":4096,
# guest:   "min_io_size":65536,"opt_io_size":1048576,"queue-size":128}},
# guest:  {"size":"64M","props":{"logical_block_size":4096,"physical_block_size":4096,
# guest:   "discard_granularity":65536,"max-discard-sectors":2048,
# guest:   "max-write-zeroes-sectors":1024}},
# guest:  {"size":"64M","props":{"queue-size":16,"indirect_desc":"off","num-queues":1,
# guest:   "in_order":"off","seg-max-adjust":"off"}},
# guest:  {"size":"64M","props":{"discard":"off","write-zeroes":"off","iommu_platform":"on"}}]}

. "$(dirname "$0")/../lib/tap.sh"

# limit DISK FILE
limit() {
	cat "/sys/block/$1/queue/$2"
}

disk=$(disk_by_serial blk0)
check_eq "B14 segments leave room for header and status" "$(limit "$disk" max_segments)" 126
check_eq "B16 the default block has 512 bytes" "$(limit "$disk" logical_block_size)" 512
check_eq "B28 physical blocks are larger" "$(limit "$disk" physical_block_size)" 4096
check_eq "B28 smallest preferred size" "$(limit "$disk" minimum_io_size)" 65536
check_eq "B28 best size" "$(limit "$disk" optimal_io_size)" 1048576
check_eq "B28 blocks are aligned" "$(cat "/sys/block/$disk/alignment_offset")" 0
check_eq "B32 discards are not limited" "$(limit "$disk" discard_max_hw_bytes)" 2147483136

disk=$(disk_by_serial blk1)
check_eq "B16 blocks of 4 KiB" "$(limit "$disk" logical_block_size)" 4096
check_eq "B16 the size is in sectors all the same" "$(cat "/sys/block/$disk/size")" 131072
check_eq "B32 unit of discards" "$(limit "$disk" discard_granularity)" 65536
check_eq "B32 largest discard" "$(limit "$disk" discard_max_hw_bytes)" 1048576
check_eq "B33 largest write of zeroes" "$(limit "$disk" write_zeroes_max_bytes)" 524288

disk=$(disk_by_serial blk2)
check_eq "B14 segments fit a ring without indirect tables" "$(limit "$disk" max_segments)" 14
check_eq "B26 requests fit the ring" "$(cat "/sys/block/$disk/mq/0/nr_tags")" 8

disk=$(disk_by_serial blk3)
check_eq "B32 without discard there is none" "$(limit "$disk" discard_max_hw_bytes)" 0
check_eq "B33 without write zeroes there is none" "$(limit "$disk" write_zeroes_max_bytes)" 0
check_not "B32 a disk without discard refuses it" blkdiscard "/dev/$disk"
check "B33 zeroes are written by hand then" blkdiscard -z -l 1048576 "/dev/$disk"
# Without an IOMMU, and with memory that all devices see, it allows all: see swiotlb.sh.
check_eq "B15 segments are as large as the DMA layer allows" "$(limit "$disk" max_segment_size)" 4294967295
