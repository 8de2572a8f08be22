#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that disks look as they do on the C driver: names, numbers, sizes, features, parameters.
#
# guest: {"vcpus":2,"blk":[{"size":"64M"},{"size":"48M","readonly":true},
# guest:  {"size":"32M","port":false,"props":{"disable-modern":"on","disable-legacy":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"

disk=$(disk_by_serial blk0)
sys=/sys/block/$disk
driver=$(driver_of "$disk")

name=virtio_blk
[ "$HARNESS_FAMILY" = c ] || name=rust_virtio_blk
check "B1 the driver is registered on the bus" test -e "/sys/bus/virtio/drivers/$name/$(virtio_of "$disk")"
# Where both families are loaded, each has a number of this name.
major=$(cut -d: -f1 "$sys/dev")
check "B1 the major number has its name" grep -q "^ *$major virtblk$" /proc/devices
check "B1 the module is found for the device" \
	sh -c "modinfo $driver | grep -q '^alias: *virtio:d00000002v'"
# Features: as strings of bits from 0 on.
bits=$(cat "$sys/device/features")
check_eq "B2 features of the device type" "$(echo "$bits" | cut -c1-18 | tr -d '\n')" \
	001010100111111000
check_eq "B2 the device is modern" "$(echo "$bits" | cut -c33)" 1

for d in $(virtio_blk_disks); do
	index=$(printf '%d' "'${d#vd}")
	index=$((index - 97))
	check_eq "B3 device numbers of disk $d" "$(cat "/sys/block/$d/dev")" "$major:$((index * 16))"
done
check_eq "B3 disks have names in a row" "$(virtio_blk_disks | tr '\n' ' ')" "vda vdb vdc vdd "
check_eq "B3 disks hang off their device" "$(basename "$(readlink -f "$sys/../..")")" "$(virtio_of "$disk")"

check_eq "B13 the size is the capacity" "$(blockdev --getsz "/dev/$disk")" 131072
check "B13 the size is announced" sh -c "dmesg | grep -q '\[$disk\] 131072 512-byte logical blocks (67.1 MB/64.0 MiB)'"
check_eq "B17 the disk says it is rotational" "$(cat "$sys/queue/rotational")" 1
check_eq "B17 requests are not limited in size" "$(cat "$sys/queue/max_hw_sectors_kb")" 2147483647
check_eq "B14 as many segments as the device takes" "$(cat "$sys/queue/max_segments")" 254
check_eq "B15 segments are not limited in size" "$(cat "$sys/queue/max_segment_size")" 4294967295

ro=$(disk_by_serial blk1)
check_eq "B18 a read-only disk is read-only" "$(blockdev --getro "/dev/$ro")" 1
check_not "B18 a read-only disk takes no writes" \
	dd if=/dev/zero of="/dev/$ro" bs=4k count=1 oflag=direct
check_eq "B18 other disks are not" "$(blockdev --getro "/dev/$disk")" 0

legacy=$(disk_by_serial blk2)
check_eq "B23 the size of a legacy device" "$(blockdev --getsz "/dev/$legacy")" 65536
check_eq "B23 a legacy device has no modern feature" \
	"$(cut -c33 "/sys/block/$legacy/device/features")" 0

params=/sys/module/$driver/parameters
check_eq "B25 the limit of queues can be set later" "$(stat -c %a "$params/num_request_queues")" 644
check_eq "B26 the queue depth can not" "$(stat -c %a "$params/queue_depth")" 444
check_eq "B41 the number of polled queues can be set later" "$(stat -c %a "$params/poll_queues")" 644
check_eq "B25 by default queues are not limited" "$(cat "$params/num_request_queues")" 0
check_not "B25 a limit that is no number is refused" sh -c "echo many > $params/num_request_queues"
check_not "B25 a negative limit is refused" sh -c "echo -1 > $params/num_request_queues"
check "B25 a limit is taken" sh -c "echo 3 > $params/num_request_queues"
check_eq "B25 and is what was written" "$(cat "$params/num_request_queues")" 3
echo 0 > "$params/num_request_queues"
check "B31 there is a serial number" grep -q '^blk0$' "$sys/serial"
check_eq "B31 nobody writes the serial number" "$(stat -c %a "$sys/serial")" 444
