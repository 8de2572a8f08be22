#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests discards and writes of zeroes, of one range and of many.
#
# guest: {"vcpus":2,"blk":[{"size":"64M","node":{"discard":"unmap"}},
# guest:  {"size":"64M","node":{"discard":"unmap"},
# guest:   "port":false,"props":{"disable-modern":"on","disable-legacy":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"
need_host

# used NODE: prints how much of the file behind a disk is there, in KiB.
used() {
	host sh "du -k $1.img | cut -f1"
}

# fill DISK: fills a disk with something that is not zero.
fill() {
	tr '\0' x </dev/zero | dd of="/dev/$1" bs=1M count=64 iflag=fullblock oflag=direct \
		2>/dev/null
}

is_zero() {
	cmp -n 67108864 "/dev/$1" /dev/zero
}

for node in blk0 blk1; do
	disk=$(disk_by_serial $node)
	fill "$disk"
	check "B5 the file behind $node is full" test "$(used $node)" -ge 65536
	check "B32 the disk is discarded: $node" blkdiscard "/dev/$disk"
	check "B32 and the file behind it empty: $node" test "$(used $node)" -lt 1024
	check "B32 and reads as zeroes: $node" is_zero "$disk"

	fill "$disk"
	check "B33 zeroes are written: $node" blkdiscard -z "/dev/$disk"
	check "B33 and read: $node" is_zero "$disk"
	fill "$disk"
	check "B33 zeroes are written to a part: $node" blkdiscard -z -o 1048576 -l 524288 "/dev/$disk"
	check_eq "B33 and nowhere else: $node" \
		"$(dd if="/dev/$disk" bs=64k 2>/dev/null | tr -d x | wc -c)" 524288
	check "B33 zeroes that stay allocated are written: $node" \
		fallocate -z -o 0 -l 1048576 "/dev/$disk"
done

# Many small ones that are merged to one request with many ranges.
disk=$(disk_by_serial blk0)
echo mq-deadline > "/sys/block/$disk/queue/scheduler"
fill "$disk"
check "B32 many discards at once" fio --name=trim --filename="/dev/$disk" --rw=randtrim --bs=4k \
	--iodepth=64 --iodepth_batch_submit=64 --ioengine=io_uring --size=32m --norandommap=0 \
	--minimal --output=/tmp/fio.log
check_eq "B32 and each of them was done" \
	"$(dd if="/dev/$disk" bs=64k count=512 2>/dev/null | tr -d '\0' | wc -c)" 0
check_eq "B32 and nothing else" \
	"$(dd if="/dev/$disk" bs=64k skip=512 2>/dev/null | tr -d x | wc -c)" 0
check "B32 there is a limit to the ranges" \
	test "$(cat "/sys/block/$disk/queue/max_discard_segments")" -le 256
echo none > "/sys/block/$disk/queue/scheduler"
check "B32 a file system is made and trimmed" sh -c "mkfs.ext4 -q -F -E discard /dev/$disk &&
	mount -o discard /dev/$disk /mnt && dd if=/dev/zero of=/mnt/a bs=1M count=16 2>/dev/null &&
	rm /mnt/a && sync && fstrim /mnt && umount /mnt && fsck.ext4 -fn /dev/$disk"
