#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests how many queues a disk has, which CPUs use them, and the parameters that say so.
#
# guest: {"vcpus":4,"family":"c","modules":["rust_virtqueue"],"blk":[
# guest:  {"size":"64M","props":{"num-queues":4,"queue-size":128}},
# guest:  {"size":"64M","props":{"num-queues":2}},
# guest:  {"size":"64M","props":{"num-queues":1,"indirect_desc":"off","queue-size":64}},
# guest:  {"size":"64M","props":{"num-queues":8}}]}

. "$(dirname "$0")/../lib/tap.sh"

driver=rust_virtio_blk
bus=/sys/bus/virtio/drivers
ours=
for n in 0 1 2 3; do
	ours="$ours $(virtio_of "$(disk_by_serial blk$n)")"
done
for v in $ours; do
	echo "$v" > $bus/virtio_blk/unbind
done

# with PARAMETERS: loads the driver anew.
with() {
	rmmod $driver 2>/dev/null
	modprobe $driver "$@" && wait_for 20 disk_by_serial blk3 && wait_for 20 disk_by_serial blk0
}

queues() {
	ls "/sys/block/$(disk_by_serial "$1")/mq" | wc -l
}

depth() {
	cat "/sys/block/$(disk_by_serial "$1")/mq/0/nr_tags"
}

check "the driver loads" with
check_eq "B24 one queue for each CPU" "$(queues blk0)" 4
check_eq "B24 not more than the device has" "$(queues blk1)" 2
check_eq "B24 one is enough" "$(queues blk2)" 1
check_eq "B24 not more than there are CPUs" "$(queues blk3)" 4
check "B4 the queues are announced" sh -c "dmesg | grep -q '4/0/0 default/read/poll queues'"
check "B4 each queue has an interrupt by its name" grep -q "$(virtio_of "$(disk_by_serial blk0)")-req.3" \
	/proc/interrupts
check_eq "B27 each CPU has its queue" \
	"$(cat /sys/block/"$(disk_by_serial blk0)"/mq/*/cpu_list | sort | tr "\n" " ")" "0 1 2 3 "
check_eq "B27 CPUs share where there are less" \
	"$(cat /sys/block/"$(disk_by_serial blk1)"/mq/*/cpu_list | tr -d ' \n' | tr , '\n' | tr -d '\n' | wc -c)" 4
irq=$(awk -F: -v n="$(virtio_of "$(disk_by_serial blk0)")-req.2" 'index($0, n) { print $1 + 0 }' /proc/interrupts)
check_eq "B27 the CPU of a queue takes its interrupt" "$(cat "/proc/irq/$irq/smp_affinity_list")" \
	"$(cat "/sys/block/$(disk_by_serial blk0)/mq/2/cpu_list")"
used() {
	before=$(irqs_of "$1")
	taskset -c "$2" dd if="/dev/$1" of=/dev/null bs=4k count=64 iflag=direct 2>/dev/null
	test "$(irqs_of "$1")" -gt "$before"
}
for cpu in 0 1 2 3; do
	check "B24 queue $cpu does I/O" used "$(disk_by_serial blk0)" $cpu
done
check "B5 all queues at once" fio --name=v --filename="/dev/$(disk_by_serial blk0)" --direct=1 --rw=randrw \
	--bs=4k --iodepth=16 --ioengine=libaio --numjobs=4 --size=8m --offset_increment=16m \
	--verify=crc32c --minimal --output=/tmp/fio.log
# ends_on DISK CPU: whether each request of a CPU ends there, wherever the interrupt comes, as rq_affinity 2 has it.
T=/sys/kernel/tracing
grep -q " $T " /proc/mounts || mount -t tracefs none $T
ends_on() {
	echo 2 >"/sys/block/$1/queue/rq_affinity" && echo >$T/trace && echo 1 >$T/events/block/block_rq_complete/enable || return 1
	taskset -c "$2" dd if="/dev/$1" of=/dev/null bs=4k count=64 iflag=direct 2>/dev/null
	echo 0 >$T/events/block/block_rq_complete/enable
	_dev=$(tr : , <"/sys/block/$1/dev")
	grep "block_rq_complete: $_dev R" $T/trace >/tmp/ends
	diag "$(wc -l </tmp/ends) requests ended, $(grep -c "\[00$2\]" /tmp/ends) on processor $2"
	[ "$(grep -c "\[00$2\]" /tmp/ends)" -ge 64 ] && ! grep -qv "\[00$2\]" /tmp/ends
}
if [ -e $T/events/block/block_rq_complete ]; then
	for cpu in 1 3; do
		check "B10 requests end on the processor that asked: $cpu" ends_on "$(disk_by_serial blk2)" $cpu
	done
fi
check_eq "B26 as many requests as fit the ring" "$(depth blk0)" 128
check_eq "B26 half as many without indirect tables" "$(depth blk2)" 32

# requests DISK: prints how many reads and writes have ended.
requests() {
	awk '{ print $1 + $5 }' "/sys/block/$1/stat"
}

has_ended() {
	[ "$(requests "$1")" -gt "$2" ]
}

# does_some DISK: waits until the disk has done some more.
does_some() {
	wait_for 20 has_ended "$1" $(($(requests "$1") + 20))
}

# CPUs that go and come back.
if [ -w /sys/devices/system/cpu/cpu3/online ]; then
	disk=$(disk_by_serial blk0)
	fio --name=v --filename="/dev/$disk" --direct=1 --rw=randrw --bs=4k --iodepth=16 \
		--ioengine=libaio --size=32m --time_based --runtime=6 --verify=crc32c --minimal \
		--output=/tmp/fio.log &
	load=$!
	does_some "$disk"
	check "B27 a CPU goes under I/O" sh -c "echo 0 > /sys/devices/system/cpu/cpu3/online"
	does_some "$disk"
	check "B27 and comes back" sh -c "echo 1 > /sys/devices/system/cpu/cpu3/online"
	wait $load
	check_eq "B27 I/O goes on meanwhile" $? 0
fi

check "B25 the driver takes a limit" with num_request_queues=2
check_eq "B25 it holds for all" "$(queues blk0) $(queues blk1) $(queues blk2)" "2 2 1"
check "B26 the driver takes a depth" with queue_depth=32
check_eq "B26 it holds for all" "$(depth blk0) $(depth blk2)" "32 32"
check_eq "B26 and shows" "$(cat /sys/module/$driver/parameters/queue_depth)" 32
rmmod $driver
check_not "B26 a depth that is no number is refused" modprobe $driver queue_depth=deep
check "B26 with a message" sh -c "dmesg | grep -q \"deep. invalid for parameter .queue_depth\""

check "B41 the driver takes polled queues" with poll_queues=2
disk=$(disk_by_serial blk0)
check "B41 they are announced" sh -c "dmesg | grep -q '2/0/2 default/read/poll queues'"
check_eq "B41 the queue can poll" "$(cat "/sys/block/$disk/queue/io_poll")" 1
check_eq "B41 one queue keeps its interrupt" "$(cat "/sys/block/$(disk_by_serial blk2)/queue/io_poll")" 0
before=$(irqs_of "$disk")
check "B42 requests are completed by polling" fio --name=v --filename="/dev/$disk" --direct=1 \
	--rw=randread --bs=4k --iodepth=8 --ioengine=io_uring --hipri --size=4m \
	--minimal --output=/tmp/fio.log
check_eq "B42 without an interrupt" "$(irqs_of "$disk")" "$before"
check "B42 what is polled is what was written" fio --name=v --filename="/dev/$disk" --direct=1 \
	--rw=randrw --bs=4k --iodepth=32 --ioengine=io_uring --hipri --size=8m --verify=crc32c \
	--minimal --output=/tmp/fio.log
check "B41 other requests are not polled" fio --name=v --filename="/dev/$disk" --direct=1 \
	--rw=randrw --bs=4k --iodepth=32 --ioengine=libaio --size=8m --verify=crc32c \
	--minimal --output=/tmp/fio.log

cleanup() {
	rmmod $driver
	for v in $ours; do
		echo "$v" > $bus/virtio_blk/bind
	done
}
