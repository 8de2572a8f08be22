#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that a disk that grows or shrinks is seen to, with and without I/O.
#
# guest: {"vcpus":2,"blk":[{"size":"64M"},{"size":"64M","props":{"logical_block_size":4096,
# guest:  "physical_block_size":4096}}]}

. "$(dirname "$0")/../lib/tap.sh"
need_host

# resize DISK BYTES
resize() {
	qmp_cmd block_resize "{\"node-name\":\"$1\",\"size\":$2}" >/dev/null
}

# uevents: prints the events of the kernel, one a line, after a line when it is ready for them.
uevents() {
	exec python3 -c '
import socket
s = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 15)
s.bind((0, 1))
print("ready", flush=True)
while True:
    print(s.recv(8192).replace(b"\0", b" ").decode(), flush=True)'
}

# has_size DISK SECTORS
has_size() {
	test "$(cat "/sys/block/$1/size")" = "$2"
}

disk=$(disk_by_serial blk0)
check_eq "B13 the disk has the size it was given" "$(cat "/sys/block/$disk/size")" 131072
uevents > /tmp/events &
monitor=$!
wait_for 30 grep -q ready /tmp/events
resize blk0 134217728
check "B35 the disk grows" wait_for 30 has_size "$disk" 262144
check "B35 the new size is announced" sh -c \
	"dmesg | grep -q '\[$disk\] new size: 262144 512-byte logical blocks (134 MB/128 MiB)'"
check "B35 user space gets an event" wait_for 10 grep -q "^change@.*/$disk .*RESIZE=1" /tmp/events
kill $monitor 2>/dev/null
check "B35 the new part can be written" \
	dd if=/dev/zero of="/dev/$disk" bs=1M seek=100 count=4 oflag=direct
fio --name=load --filename="/dev/$disk" --direct=1 --rw=randrw --bs=4k --iodepth=16 \
	--ioengine=libaio --size=32m --time_based --runtime=8 --verify=crc32c --minimal >/dev/null &
load=$!
i=0
while [ $i -lt 10 ]; do
	resize blk0 $(((68 + i) * 1048576))
	sleep 0.3
	i=$((i + 1))
done
check "B35 the disk shrinks and grows under I/O" wait_for 30 has_size "$disk" $((77 * 2048))
wait $load
check_eq "B35 I/O goes on meanwhile" $? 0
disk=$(disk_by_serial blk1)
resize blk1 100663296
check "B35 a disk of 4K blocks grows" wait_for 30 has_size "$disk" 196608
check "B35 its size is announced in blocks" sh -c \
	"dmesg | grep -q '\[$disk\] new size: 24576 4096-byte logical blocks (101 MB/96.0 MiB)'"
