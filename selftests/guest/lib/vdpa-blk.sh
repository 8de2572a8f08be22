# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Disks on the vDPA bus. Source it after vdpa.sh; the guest's family and ring are those of the script.

# verify NAME OPTION...: fio with a checksum in every block.
verify() {
	_disk=$(vdpa_child "$1" block)
	shift
	within 100 fio --name=verify --filename="/dev/$_disk" --allow_file_create=0 --direct=1 \
		--verify=crc32c --verify_fatal=1 --ioengine=libaio --minimal "$@" >/dev/null
}

# random_file FILE MEGABYTES
random_file() {
	head -c "$2M" /dev/urandom >"$1"
}

# sum_of FILE [BYTES]: prints the checksum of what is read past the cache.
sum_of() {
	dd if="$1" bs=1M ${2:+count=$(($2 >> 20))} iflag=direct 2>/dev/null | sha256sum
}

# usual HOST NAME SERIAL: what any disk must do, whoever is behind it.
usual() {
	check_eq "$1 the disk is on the driver" "$(driver_of "$(vdpa_child "$2" block)")" "$(expected_driver blk)"
	disk=$(vdpa_child "$2" block)
	check_eq "$1 the name is that of a virtio disk" "${disk%?}" vd
	check_eq "$1 the serial number is the host's" "$(cat "/sys/block/$disk/serial")" "$3"
	check_eq "R44 $1 addresses are the host's" "$(vdpa_feature "$2" 33)" 1
	random_file "$VDPA_TMP"/data 8
	dd if="$VDPA_TMP"/data of="/dev/$disk" bs=1M oflag=direct 2>/dev/null
	check_eq "B5 $1 a file is read as it was written" "$(sum_of "/dev/$disk" $((8 << 20)))" \
		"$(sha256sum <"$VDPA_TMP"/data)"
	check "B5 $1 small random reads and writes" verify "$2" --rw=randrw --bs=4k --iodepth=32 --size=2m
	check "B5 B7 $1 mixed sizes in deep queues" verify "$2" --rw=randwrite --bsrange=4k-256k \
		--blockalign=4k --iodepth=32 --size=8m
	check "B19 $1 flushes between writes" verify "$2" --rw=randwrite --bs=4k --iodepth=4 --size=1m --fsync=8
}

# zeroes HOST NAME: ranges are zeroed, and the rest stays.
zeroes() {
	disk=$(vdpa_child "$2" block)
	dd if="$VDPA_TMP"/data of="/dev/$disk" bs=1M oflag=direct 2>/dev/null
	blkdiscard -z -o $((2 << 20)) -l $((1 << 20)) "/dev/$disk" || :
	dd if=/dev/zero of="$VDPA_TMP"/data bs=1M seek=2 count=1 conv=notrunc 2>/dev/null
	check_eq "B33 $1 a range is zeroed and nothing else" "$(sum_of "/dev/$disk" $((8 << 20)))" \
		"$(sha256sum <"$VDPA_TMP"/data)"
	check "B32 $1 a range is discarded" blkdiscard -o $((4 << 20)) -l $((1 << 20)) "/dev/$disk"
	check_eq "B32 $1 what is before it stays" "$(sum_of "/dev/$disk" $((4 << 20)))" \
		"$(head -c 4M "$VDPA_TMP"/data | sha256sum)"
}

# load NAME SECONDS: many requests at a time. They fail when the disk goes.
load() {
	exec fio --name=load --filename="/dev/$(vdpa_child "$1" block)" --allow_file_create=0 --direct=1 \
		--rw=randrw --bs=4k --iodepth=32 --iodepth_batch=16 --ioengine=libaio --size=8m --time_based \
		--runtime="$2" --minimal >/dev/null 2>&1
}

# is_busy NAME: requests are outstanding.
is_busy() {
	[ "$(awk '{ print $9 }' "/sys/block/$(vdpa_child "$1" block)/stat")" -gt 0 ]
}

# leaves HOST NAME MANAGER: the driver lets the device go with requests outstanding.
leaves() {
	(load "$2" "$(patient 60)") &
	wait_for 20 is_busy "$2"
	virtio=$(vdpa_virtio "$2")
	driver=/sys/bus/virtio/drivers/$(expected_driver blk)
	check "B22 $1 it is unbound with requests outstanding" within 100 sh -c "echo $virtio >$driver/unbind"
	wait $!
	check "B22 $1 it is bound again" within 100 sh -c "echo $virtio >$driver/bind"
	check "B5 $1 it works after that" verify "$2" --rw=randrw --bs=4k --iodepth=8 --size=1m
	(load "$2" "$(patient 60)") &
	wait_for 20 is_busy "$2"
	disk=$(vdpa_child "$2" block)
	check "B37 $1 the device goes with requests outstanding" vdpa_del "$2"
	wait $!
	check "B37 $1 no disk is left" test ! -e "/sys/block/$disk"
}

sim() {
	vdpa_add sim vdpasim_blk
	usual "simulated disk:" sim vdpa_blk_sim
	check_eq "B15 simulated disk: segments are as long as the device says" \
		"$(cat "/sys/block/$(vdpa_child sim block)/queue/max_segment_size")" 4096
	zeroes "simulated disk:" sim
	leaves "simulated disk:" sim vdpasim_blk
}

qemu() {
	truncate -s 64M "$VDPA_TMP"/qemu.img
	vduse_qemu qsd "$VDPA_TMP"/qemu.img
	vdpa_add qsd vduse
	usual "QEMU's daemon:" qsd qsd
	check_eq "B24 QEMU's daemon: there are two queues" \
		"$(find "/sys/block/$(vdpa_child qsd block)/mq" -mindepth 1 -maxdepth 1 | wc -l)" 2
	zeroes "QEMU's daemon:" qsd
	leaves "QEMU's daemon:" qsd vduse
	vduse_stop
	check "QEMU's daemon: it takes the device away" wait_for 20 vduse_gone qsd
}

# process LAYOUT ARGUMENT...: a disk of ours.
process() {
	layout=$1
	shift
	truncate -s 64M "$VDPA_TMP"/disk.img
	vduse_disk "$@" disk "$VDPA_TMP"/disk.img
	wait_for 20 vduse_is_there disk
	# Little room, so that it is full at times: requests wait then. The packed C ring has them fail.
	room=$((2 << 20))
	[ "$layout" = packed ] && [ "$HARNESS_RING" = c ] && room=$((64 << 20))
	echo $room >/sys/class/vduse/disk/bounce_size
	vdpa_add disk vduse
	usual "process $layout:" disk disk
	check_eq "R22 B15 process $layout: segments are as long as the host can map" \
		"$(cat "/sys/block/$(vdpa_child disk block)/queue/max_segment_size")" $room
	check "R26 R44 process $layout: requests wait for room to map" verify disk --rw=write --bs=1m --iodepth=8 \
		--size=16m
	check_eq "B5 process $layout: the file has what the disk has" \
		"$(dd if="$VDPA_TMP"/disk.img bs=1M 2>/dev/null | sha256sum)" \
		"$(sum_of "/dev/$(vdpa_child disk block)")"
}

# done_by NAME: prints how many requests have been done.
done_by() {
	awk '{ print $1 + $5 }' "/sys/block/$(vdpa_child "$1" block)/stat"
}

has_done_more() {
	[ "$(done_by "$1")" -gt "$2" ]
}

# keeps_verifying: verifies over and over, until the file `stop` is there or something is wrong.
keeps_verifying() {
	while [ ! -e "$VDPA_TMP"/stop ]; do
		verify disk --rw=randrw --bs=4k --iodepth=16 --size=1m || return 1
	done
}

# dies ARGUMENT...: the process dies again and again under load, and another one goes on with the device.
# Split rings only, as the packed ring does not say by itself where the device is.
dies() {
	rm -f "$VDPA_TMP"/stop
	keeps_verifying &
	_load=$!
	for _n in 1 2 3 4; do
		_before=$(done_by disk)
		wait_for 60 has_done_more disk "$_before" || break
		vduse_kill
		vduse_disk "$@" disk "$VDPA_TMP"/disk.img
	done
	_before=$(done_by disk)
	wait_for 60 has_done_more disk "$_before"
	_status=$?
	touch "$VDPA_TMP"/stop
	wait $_load && [ $_status -eq 0 ]
}

vdpa_blk() {
	if vdpa_has vdpa_sim_blk; then
		sim
	else
		skip "simulated disk" "the kernel has no vdpa_sim_blk"
	fi
	if ! vdpa_has vduse; then
		skip "disks of processes" "the kernel has no vduse"
		return
	fi
	qemu
	process split --event-idx
	check "F008 process split: requests go on with another process" dies --event-idx
	leaves "process split:" disk vduse
	vduse_stop
	check "process split: no device is left" wait_for 20 vduse_gone disk
	process packed --packed --event-idx --queues 2
	check_eq "R44 process packed: the ring is" "$(vdpa_feature disk 34)" 1
	leaves "process packed:" disk vduse
	vduse_stop
	check "process packed: no device is left" wait_for 20 vduse_gone disk
}

cleanup() {
	for _d in sim qsd disk; do
		[ -e "/sys/bus/vdpa/devices/$_d" ] && vdpa_del "$_d"
	done
	vduse_stop
	[ "$TAP_FAILED" -eq 0 ] || diag "$(cat "$VDPA_TMP"/log)"
	rm -rf "$VDPA_TMP"
}
