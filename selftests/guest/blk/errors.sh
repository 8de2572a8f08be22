#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that errors of the device come through as what they are, and to whom they belong.
#
# guest: {"vcpus":2,"qemu":["-blockdev",
# guest:  "driver=raw,node-name=bad,file.driver=blkdebug,file.image.driver=null-co,file.image.size=67108864,file.image.read-zeroes=on,file.inject-error.0.event=read_aio,file.inject-error.0.sector=2048,file.inject-error.1.event=write_aio,file.inject-error.1.sector=4096",
# guest:  "-device","virtio-blk-pci,drive=bad,serial=bad,bus=spare0,rerror=report,werror=report"],
# guest:  "allow":["Buffer I/O error","I/O error, dev vd","lost async page write"]}

. "$(dirname "$0")/../lib/tap.sh"

disk=$(disk_by_serial bad)

# at SECTOR: reads one page there.
at() {
	dd if="/dev/$disk" of=/dev/null bs=512 skip="$1" count=8 iflag=direct
}

put() {
	dd if=/dev/zero of="/dev/$disk" bs=512 seek="$1" count=8 oflag=direct
}

check "B9 a good sector is read" at 0
check_not "B9 a bad sector is not" at 2048
check "B9 the error is one of I/O" sh -c "dd if=/dev/$disk of=/dev/null bs=512 skip=2048 count=8 iflag=direct 2>&1 | grep -q 'Input/output error'"
check "B9 the sector after it is read" at 2064
check "B9 a good sector is written" put 8192
check_not "B9 a bad one is not" put 4096
check "B9 other requests go on meanwhile" fio --name=ok --filename="/dev/$disk" --direct=1 \
	--rw=randrw --bs=4k --iodepth=16 --ioengine=libaio --offset=16m --size=16m \
	--minimal --output=/tmp/fio.log
check_not "B9 a request with a bad sector among many fails" \
	dd if="/dev/$disk" of=/dev/null bs=1M count=2 iflag=direct
