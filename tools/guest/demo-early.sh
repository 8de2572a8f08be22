#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Gives the second disk to the C driver before the Rust driver is there. The C driver takes no heed of names
# that others have given: its first disk is vda, whoever has a vda. The Rust driver does, so the root disk,
# which it gets afterwards, leaves that name to the disk that changes hands.

bus=/sys/bus/virtio
# The transport comes first.
modprobe "${HARNESS_MODULES%% *}" && echo 0 >$bus/drivers_autoprobe && modprobe virtio_blk || exit 1
for path in "$bus"/devices/*; do
	[ "$(cat "$path/device")" = 0x0002 ] || continue
	dev=${path##*/}
	echo "$dev" >$bus/drivers/virtio_blk/bind || exit 1
	[ "$(cat "$path"/block/*/serial)" = blk0 ] || echo "$dev" >$bus/drivers/virtio_blk/unbind
done
echo 1 >$bus/drivers_autoprobe
