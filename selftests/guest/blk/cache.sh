#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests the write cache: flushes, and switching it on and off.
#
# guest: {"vcpus":2,"trace":["virtio_blk_req_complete"],"blk":[
# guest:  {"size":"64M","props":{"config-wce":"on","write-cache":"on"}},
# guest:  {"size":"64M","props":{"config-wce":"off","write-cache":"on"}},
# guest:  {"size":"64M","props":{"config-wce":"off","write-cache":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"

type_of() {
	cat "/sys/block/$1/cache_type"
}

# flushes DISK: prints how many flushes the disk has done.
flushes() {
	awk '{ print $16 }' "/sys/block/$1/stat"
}

disk=$(disk_by_serial blk0)
sys=/sys/block/$disk
check_eq "B29 the device writes back" "$(type_of "$disk")" "write back"
check_eq "B29 and the queue knows" "$(cat "$sys/queue/write_cache")" "write back"
check_eq "B30 the cache can be switched" "$(stat -c %a "$sys/cache_type")" 644
before=$(flushes "$disk")
dd if=/dev/zero of="/dev/$disk" bs=4k count=4 conv=fsync 2>/dev/null
check "B19 a sync flushes" test "$(flushes "$disk")" -gt "$before"
fio --name=load --filename="/dev/$disk" --direct=1 --rw=randwrite --bs=4k --iodepth=16 \
	--ioengine=libaio --size=16m --time_based --runtime=6 --fsync=4 --minimal >/dev/null &
load=$!
sleep 1
check "B30 the cache is switched off under I/O" sh -c "echo 'write through' > $sys/cache_type"
check_eq "B30 and the device says so" "$(type_of "$disk")" "write through"
check_eq "B30 and the queue" "$(cat "$sys/queue/write_cache")" "write through"
check "B30 and on again" sh -c "echo 'write back' > $sys/cache_type"
check_eq "B30 as the queue knows" "$(cat "$sys/queue/write_cache")" "write back"
wait $load
check_eq "B30 I/O goes on meanwhile" $? 0
check_not "B30 other words are refused" sh -c "echo none > $sys/cache_type"
check_eq "B30 and change nothing" "$(type_of "$disk")" "write back"

disk=$(disk_by_serial blk1)
sys=/sys/block/$disk
check_eq "B29 a cache that cannot be switched" "$(type_of "$disk")" "write back"
check_eq "B30 is not to be written" "$(stat -c %a "$sys/cache_type")" 444
check_not "B30 not even by root" sh -c "echo 'write through' > $sys/cache_type"

disk=$(disk_by_serial blk2)
sys=/sys/block/$disk
check_eq "B19 without flush there is no cache" "$(type_of "$disk")" "write through"
check_eq "B19 and the queue knows" "$(cat "$sys/queue/write_cache")" "write through"
before=$(flushes "$disk")
dd if=/dev/zero of="/dev/$disk" bs=4k count=4 conv=fsync 2>/dev/null
check_eq "B19 and no flush is sent" "$(flushes "$disk")" "$before"
