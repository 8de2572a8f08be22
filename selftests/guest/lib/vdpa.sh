# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Devices that are not QEMU's, inside the guest, on the vDPA bus: the kernel's simulators, and processes
# by VDUSE. Source it after tap.sh.

VDPA_LIB=$(cd "$(dirname "$0")/../lib" && pwd)
VDPA_TMP=/tmp/vdpa
mkdir -p $VDPA_TMP

# vdpa_has MODULE...: loads modules, and fails if the kernel has not all of them.
vdpa_has() {
	for _m in "$@"; do
		modprobe "$_m" 2>/dev/null || return 1
	done
}

# vdpa_add NAME MANAGER [ARGUMENT]...: has a device appear on the bus, and waits for its driver.
vdpa_add() {
	_dev=$1 _manager=$2
	shift 2
	wait_for 20 vdpa dev add name "$_dev" mgmtdev "$_manager" "$@" || return 1
	wait_for 20 vdpa_bound "$_dev"
}

vdpa_del() {
	within 100 vdpa dev del "$1"
}

# vdpa_virtio NAME: prints the virtio device of a device on the bus.
vdpa_virtio() {
	for _v in /sys/bus/vdpa/devices/"$1"/virtio*; do
		[ -e "$_v" ] && echo "${_v##*/}" && return 0
	done
	return 1
}

vdpa_bound() {
	[ -e "/sys/bus/virtio/devices/$(vdpa_virtio "$1")/driver" ]
}

# vdpa_child NAME CLASS: prints the disk (block) or the interface (net) of a device.
vdpa_child() {
	for _c in /sys/bus/vdpa/devices/"$1"/virtio*/"$2"/*; do
		[ -e "$_c" ] && echo "${_c##*/}" && return 0
	done
	return 1
}

# vdpa_feature NAME BIT: prints whether a feature was negotiated, 1 or 0.
vdpa_feature() {
	cut -c "$(($2 + 1))" "/sys/bus/virtio/devices/$(vdpa_virtio "$1")/features"
}

# expected_driver blk|net: prints the name of the driver of the guest's family.
expected_driver() {
	case $HARNESS_FAMILY in
	rust) echo "rust_virtio_$1" ;;
	*) echo "virtio_$1" ;;
	esac
}

# vduse_start PROGRAM ARGUMENT...: starts a program that is one or more devices.
vduse_start() {
	"$@" </dev/null >>$VDPA_TMP/log 2>&1 3>&- &
	echo $! >$VDPA_TMP/pid
}

# vduse_disk ARGUMENT...: starts a disk of ours.
vduse_disk() {
	vduse_start python3 "$VDPA_LIB/vduse-blk.py" "$@"
}

# vduse_nics ARGUMENT...: starts two NICs of ours.
vduse_nics() {
	vduse_start python3 "$VDPA_LIB/vduse-net.py" "$@"
}

# vduse_qemu NAME FILE: starts a disk of QEMU's storage daemon.
vduse_qemu() {
	vduse_start /run/harness/programs/qemu-storage-daemon \
		--blockdev "driver=file,node-name=f,filename=$2,discard=unmap" \
		--blockdev driver=raw,node-name=disk,file=f,discard=unmap \
		--export "vduse-blk,id=$1,name=$1,node-name=disk,writable=on,num-queues=2,queue-size=128,serial=$1"
}

# vduse_end SIGNAL: ends the program, which another shell may have started, and waits for it.
vduse_end() {
	[ -s $VDPA_TMP/pid ] || return 0
	_pid=$(cat $VDPA_TMP/pid)
	kill "-$1" "$_pid" 2>/dev/null
	wait "$_pid" 2>/dev/null
	wait_for 20 vduse_ended "$_pid"
}

vduse_ended() {
	[ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}

# vduse_stop: ends the program in an orderly way.
vduse_stop() {
	vduse_end TERM
}

# vduse_kill: has the program die.
vduse_kill() {
	vduse_end KILL
}

# vduse_is_there NAME: whether a process has made the device.
vduse_is_there() {
	[ -e "/sys/class/vduse/$1" ]
}

# vduse_gone NAME: whether no device is left.
vduse_gone() {
	! vduse_is_there "$1"
}

# vduse_remove NAME: takes a device away that a process has left behind.
vduse_remove() {
	PYTHONPATH=$VDPA_LIB python3 -c 'import sys, vduse; vduse.remove(sys.argv[1])' "$1" && vduse_gone "$1"
}
