#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests disks that count in their own ways how many bytes they wrote (docs/devices.md), on each layout of the
# ring: what they are asked for is done, and so is what is read.
#
# guest: {"modules":["virtio_vdpa"],"programs":["qemu-storage-daemon"],
# guest:  "allow":["Buffer I/O error","I/O error, dev vd"]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/vdpa.sh"

vdpa_has vduse || skip_all "the kernel has no vduse"

# As specified; without the status; bytes written to the disk too; nothing; a negative error number.
WAYS="exact data moved nothing error"

# layout NAME ARGUMENT...: a disk for each way to count.
layout() {
	layout=$1
	shift
	for way in $WAYS; do
		rm -f "$VDPA_TMP/image-$way"
		truncate -s 4M "$VDPA_TMP/image-$way"
	done
	vduse_disk "$@" --lengths "$(echo "$WAYS" | tr ' ' ,)" counts $VDPA_TMP/image
	disks=
	# Names of devices come again.
	dmesg -C
	for way in $WAYS; do
		wait_for 20 vduse_is_there "counts-$way"
		vdpa_add "counts-$way" vduse
		disks="$disks counts-$way=$(vdpa_child "counts-$way" block)=$VDPA_TMP/image-$way"
	done
	# shellcheck disable=SC2086 # a list of disks
	within 100 python3 "$VDPA_LIB/kinds.py" $disks >$VDPA_TMP/results 2>&1
	for way in $WAYS; do
		check_eq "H008 H009 $layout $way: requests of each kind are done" \
			"$(grep "^counts-$way " $VDPA_TMP/results || cat $VDPA_TMP/results)" "counts-$way ok"
	done
	negotiated
	[ "$HARNESS_FAMILY" = rust ] && impossible
	for way in $WAYS; do
		vdpa_del "counts-$way"
	done
	vduse_stop
	check "$layout: no device is left" wait_for 20 vduse_gone counts-exact
}

# negotiated: the ring is what the layout says. The features are RING_PACKED and IN_ORDER.
negotiated() {
	wanted="0 0"
	case $layout in
	"packed in order") wanted="1 1" ;;
	packed) wanted="1 0" ;;
	"split in order") wanted="0 1" ;;
	esac
	check_eq "R44 $layout: the ring is" \
		"$(vdpa_feature counts-exact 34) $(vdpa_feature counts-exact 35)" "$wanted"
}

# told_by WAY: the log tells of the disk's lengths.
told_by() {
	dmesg | grep -q "$(vdpa_virtio "counts-$1"): queue 0: device reports"
}

# impossible: of the ways to count, those that claim more than there is room for are told of.
impossible() {
	got=
	for way in $WAYS; do
		told_by "$way" && got="$got $way"
	done
	check_eq "H008 H034 $layout: lengths beyond the buffer are told of" "$got" " moved error"
}

cleanup() {
	for _way in $WAYS; do
		[ -e "/sys/bus/vdpa/devices/counts-$_way" ] && vdpa_del "counts-$_way"
	done
	vduse_stop
	[ "$TAP_FAILED" -eq 0 ] || diag "$(cat $VDPA_TMP/log)"
	rm -rf $VDPA_TMP
}

layout split --event-idx
layout packed --packed --event-idx
layout "split in order" --in-order
layout "packed in order" --packed --in-order
