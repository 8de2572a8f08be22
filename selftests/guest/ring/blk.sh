#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A disk on the C driver.
#
# guest: front.json
# transports: pci transitional legacy mmio mmio-legacy

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host

tap_plan 5

disk=$(disk_by_serial blk0)
check_eq "the disk is on the C driver" "$(driver_of "$disk")" virtio_blk
check "random reads and writes of mixed sizes" front_blk
check "large requests" fio_verifies "$disk" --rw=write --bs=1m --iodepth=8 --size=32m
check "single sectors" fio_verifies "$disk" --rw=randrw --bs=512 --iodepth=32 --size=1m
check "many writers and flushes" fio_verifies "$disk" --rw=randwrite --bs=4k --iodepth=8 --size=2m \
	--fsync=16 --numjobs=2 --offset_increment=4m --group_reporting
