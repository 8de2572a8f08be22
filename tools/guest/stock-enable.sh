#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Enables the drivers in a running Debian. Nothing changes but what the next boot does.

. "$(dirname "$0")/../lib/tap.sh"

bindings() {
	for _d in /sys/bus/virtio/devices/*; do
		echo "${_d##*/} $(driver_of "${_d##*/}")"
	done
}

in_initramfs() {
	lsinitramfs "/boot/initrd.img-$(uname -r)" >/tmp/initramfs
	for _m in "$@"; do
		grep -q "/$_m\.ko" /tmp/initramfs || { echo "no $_m"; return 1; }
	done
}

before=$(bindings)
check "status can be shown before" rust-virtio status
check "the drivers are enabled" rust-virtio enable all
check_eq "no device changes hands" "$(bindings)" "$before"
check "no module of ours is loaded by that" sh -c '! grep ^rust_ /proc/modules'
check "the initramfs has both families" in_initramfs virtio_blk rust_virtio_blk rust_virtqueue
rust-virtio status >/tmp/status 2>&1
diag "$(cat /tmp/status)"
check "status names the drivers of the next boot" \
	sh -c 'grep -q rust_virtio_blk /tmp/status && grep -q rust_virtio_net /tmp/status'
check "enabling again changes nothing" rust-virtio enable all
