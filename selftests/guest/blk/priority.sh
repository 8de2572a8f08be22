#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that the header of a request, as the device finds it in memory, has the type, the sector and
# the I/O priority.
#
# The layout is that of which QEMU shows the elements.
#
# guest: {"vcpus":1,"layout":"split",
# guest:  "blk":[{"size":"64M","props":{"num-queues":1,"indirect_desc":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"
need_host

path=/machine/peripheral/blk0/virtio-backend
disk=$(disk_by_serial blk0)
echo none > "/sys/block/$disk/queue/scheduler"

# header: prints the header of the newest request as four words in hexadecimal: type, priority and
# the two halves of the sector. The descriptors of a request stay in memory when it is done; QEMU
# lists them from the last to the first.
header() {
	next=$(qmp_cmd x-query-virtio-queue-status "{\"path\":\"$path\",\"queue\":0}" |
		jq '."last-avail-idx"')
	addr=$(qmp_cmd x-query-virtio-queue-element \
		"{\"path\":\"$path\",\"queue\":0,\"index\":$(((next + 65535) % 65536))}" |
		jq '.descs[-1].addr')
	qmp_cmd human-monitor-command \
		"{\"command-line\":\"xp /4wx $(printf '0x%x' "$addr")\"}" |
		sed 's/^[^:]*: //; s/[^0-9a-fx ].*//'
}

dd if="/dev/$disk" of=/dev/null bs=512 skip=4660 count=1 iflag=direct 2>/dev/null
# Without a word, the priority is best effort, level 4.
check_eq "B5 the header of a read" "$(header)" "0x00000000 0x00004004 0x00001234 0x00000000"
ionice -c1 -n3 dd if="/dev/$disk" of=/dev/null bs=512 skip=1 count=1 iflag=direct 2>/dev/null
check_eq "B8 a read has its priority" "$(header)" "0x00000000 0x00002003 0x00000001 0x00000000"
ionice -c3 dd if=/dev/zero of="/dev/$disk" bs=512 seek=2 count=1 oflag=direct 2>/dev/null
check_eq "B8 a write has its priority" "$(header | cut -d' ' -f1-3)" \
	"0x00000001 0x00006007 0x00000002"
cat "/sys/block/$disk/serial" >/dev/null
check_eq "B31 the header of an identification" "$(header)" \
	"0x00000008 0x00000000 0x00000000 0x00000000"
