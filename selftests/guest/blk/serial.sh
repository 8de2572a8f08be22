#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests what tools ask of a disk besides I/O: serial number, geometry, partitions.
#
# guest: {"vcpus":2,"blk":[{"size":"64M","props":{"serial":"ABC-123 xyz"}},
# guest:  {"size":"64M","props":{"serial":"12345678901234567890"}},
# guest:  {"size":"64M","props":{"serial":"","cyls":100,"heads":16,"secs":63}},
# guest:  {"size":"64M","props":{"logical_block_size":4096,"physical_block_size":4096}}]}

. "$(dirname "$0")/../lib/tap.sh"

# geometry DISK: prints cylinders, heads and sectors.
geometry() {
	hdparm -g "/dev/$1" | awk '$1 == "geometry" { gsub("/", " ", $3); sub(",", "", $3); print $3 }'
}

disk=$(disk_by_serial "ABC-123 xyz")
check "B31 a serial number with a space" test -b "/dev/$disk"
long=$(disk_by_serial 12345678901234567890)
check "B31 a serial number as long as they get" test -b "/dev/$long"
for d in $(virtio_blk_disks); do
	case $(cat "/sys/block/$d/serial") in
	"") none=$d ;;
	blk3) blocks=$d ;;
	esac
done
check "B31 no serial number at all" test -b "/dev/$none"
many() {
	i=0
	while [ $i -lt 200 ]; do
		[ "$(cat "/sys/block/$long/serial")" = 12345678901234567890 ] || return 1
		i=$((i + 1))
	done
}
check "B31 the serial number can be read again and again" many

check_eq "B34 geometry of the device" "$(geometry "$none" | cut -d' ' -f2-3)" "16 63"
check "B34 there is always one" test -n "$(geometry "$disk")"

printf 'label: gpt\n,16M\n,16M\n,\n' | sfdisk -q "/dev/$disk" >/dev/null 2>&1
check_eq "B3 a disk has partitions" "$(cd "/sys/block/$disk" && ls -d "$disk"[0-9]* | tr '\n' ' ')" \
	"${disk}1 ${disk}2 ${disk}3 "
check_eq "B3 a partition has the minor number after its disk" "$(cat "/sys/block/$disk/${disk}3/dev")" \
	"$(sed 's/.*://' "/sys/block/$disk/dev" | { read -r m; echo "$(cut -d: -f1 "/sys/block/$disk/dev"):$((m + 3))"; })"
check "B5 a partition has a file system" sh -c "mkfs.ext4 -q -F /dev/${disk}2 && mount /dev/${disk}2 /mnt &&
	cp /bin/busybox /mnt && umount /mnt && mount /dev/${disk}2 /mnt && cmp /bin/busybox /mnt/busybox"
umount /mnt
check "B5 a partition of a disk of 4K blocks" sh -c "printf 'label: gpt\n,16M\n,\n' |
	sfdisk -q /dev/$blocks && mkfs.ext4 -q -F /dev/${blocks}1 && fsck.ext4 -fn /dev/${blocks}1"
wipefs -qa "/dev/$disk"
blockdev --rereadpt "/dev/$disk"
check_not "B3 partitions go with their table" test -e "/sys/block/$disk/${disk}1"
