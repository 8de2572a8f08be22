#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that disks work behind an IOMMU that translates.
#
# guest: {"vcpus":2,"iommu":true,"cmdline":"intel_iommu=on iommu=nopt","blk":[
# guest:  {"size":"64M","props":{"iommu_platform":"on"}},
# guest:  {"size":"64M","props":{"iommu_platform":"on","packed":"on"}}]}

. "$(dirname "$0")/../lib/tap.sh"

verify() {
	fio --name=verify --filename="/dev/$1" --direct=1 --verify=crc32c --ioengine=libaio \
		--minimal --output=/tmp/fio.log --rw=randrw "$2" "$3" --size=16m
}

for n in 0 1; do
	disk=$(disk_by_serial blk$n)
	check "B5 B15 small and large requests: blk$n" verify "$disk" --bsrange=4k-256k --iodepth=64
	check "B5 B15 requests of many segments: blk$n" verify "$disk" --bs=2m --iodepth=16
done
