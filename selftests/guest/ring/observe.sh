#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests what the Rust ring shows of a queue: its file in debugfs, and its tracepoints.
#
# guest: {"blk":[{"size":"64M","props":{"num-queues":1,"queue-size":128}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/dev.sh"

[ "$HARNESS_RING" = rust ] || skip_all "the C ring shows nothing of itself"

D=/sys/kernel/debug/rust_virtio_ring
T=/sys/kernel/tracing
grep -q ' /sys/kernel/debug ' /proc/mounts || mount -t debugfs none /sys/kernel/debug
grep -q ' /sys/kernel/tracing ' /proc/mounts || mount -t tracefs none /sys/kernel/tracing

tap_plan 13

N=16
dev=$(basename "$(readlink -f /sys/block/vdb/device)")
file=$D/$dev-0.req.0

# line NAME: prints a value of the file.
line() {
	sed -n "s/^$1: //p" "$file"
}

# read_blocks: reads N blocks, one by one.
read_blocks() {
	dd if=/dev/vdb of=/dev/null bs=4k count=$N iflag=direct 2>/dev/null
}

check "the queue has a file" test -r "$file"
check_eq "the size is that of the queue" "$(line size)" 128
check_eq "nothing is in flight" "$(line 'in flight')" 0
check_eq "nothing is broken" "$(line broken)" no
check_eq "callbacks are wanted" "$(line 'callbacks wanted')" true

kicks=$(line kicks) notified=$(line 'kicks notified') callbacks=$(line callbacks)
read_blocks
check_eq "each read is a kick" $(($(line kicks) - kicks)) $N
check "the device was notified" test "$(line 'kicks notified')" -gt "$notified"
check "the driver was called" test "$(line callbacks)" -gt "$callbacks"

echo > $T/trace
for e in add kick get_buf callback; do
	echo "$dev" | grep -q '^virtio[0-9]' && echo "device == ${dev#virtio}" > $T/events/rust_virtio_ring/vring_$e/filter
	echo 1 > $T/events/rust_virtio_ring/vring_$e/enable
done
read_blocks
for e in add kick get_buf callback; do
	echo 0 > $T/events/rust_virtio_ring/vring_$e/enable
	echo 0 > $T/events/rust_virtio_ring/vring_$e/filter
done

# count EVENT REST: prints how often an event with that text was traced.
count() {
	grep -c "vring_$1: $dev queue=0 $2" $T/trace
}

check_eq "each request is traced with its segments" "$(count add 'id=[0-9]* segments=3 ')" $N
check_eq "each kick is traced with what the device wanted" "$(count kick '\(notify\|suppressed\)$')" $N
check_eq "each completion is traced with its length" "$(count get_buf 'id=[0-9]* len=4097$')" $N
check "callbacks are traced" test "$(grep -c "vring_callback: $dev queue=0" $T/trace)" -gt 0

echo > $T/trace
read_blocks
check_eq "nothing is traced when off" "$(grep -c 'vring_' $T/trace)" 0
