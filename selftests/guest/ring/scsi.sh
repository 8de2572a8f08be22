#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A disk behind virtio_scsi, the C driver.
#
# guest: front.json
# transports: pci legacy mmio

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host

tap_plan 6

wait_for 20 scsi_disk
disk=$(scsi_disk)
check "the disk is behind virtio_scsi" sh -c \
	"readlink -f /sys/block/$disk/device | grep -q '/$(virtio_of_type 8)/'"
check "random reads and writes of mixed sizes" front_scsi
check "large requests" fio_verifies "$disk" --rw=write --bs=512k --iodepth=8 --size=16m

file_system() {
	mkfs.ext4 -q -F "/dev/$disk" && mkdir -p $SCSI && mount "/dev/$disk" $SCSI || return 1
	make_tree $SCSI/tree
	_sum=$(cd $SCSI/tree && sh -c "$TREE_SUM")
	umount $SCSI && echo 3 >/proc/sys/vm/drop_caches && e2fsck -f -n "/dev/$disk" &&
		mount "/dev/$disk" $SCSI || return 1
	_again=$(cd $SCSI/tree && sh -c "$TREE_SUM")
	umount $SCSI
	[ "$_sum" = "$_again" ]
}
check "a file system keeps its files" file_system

# The event queue tells of a disk that comes and goes.
disks() {
	[ "$(find /sys/block -name 'sd*' | wc -l)" -eq "$1" ]
}
plug() {
	qmp_cmd blockdev-add '{"driver":"null-co","node-name":"more","size":1048576}' >/dev/null &&
		qmp_cmd device_add '{"driver":"scsi-hd","id":"more","bus":"scsi.0","drive":"more"}' \
			>/dev/null && wait_for 30 disks 2
}
unplug() {
	unplug_device more disks 1
}
check "a disk that is plugged in appears" plug
check "a disk that is unplugged goes" unplug

cleanup() {
	wait_for 10 qmp_cmd blockdev-del '{"node-name":"more"}'
}
