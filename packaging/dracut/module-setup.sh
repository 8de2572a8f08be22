#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Both families of drivers, and what decides between them, if the Rust drivers are enabled.

check() {
	[ -e "${dracutsysrootdir-}/etc/modprobe.d/rust-virtio-enabled.conf" ] || return 1
	[ -x "${dracutsysrootdir-}/usr/lib/rust-virtio/load" ] || return 1
	return 0
}

depends() {
	return 0
}

installkernel() {
	# What a kernel has no module of is passed over: the loader turns to the C driver then.
	hostonly='' instmods virtio_blk virtio_net
	hostonly='' instmods rust_virtio_blk rust_virtio_net
	return 0
}

install() {
	inst_multiple mkdir modprobe mv sleep
	inst_simple /usr/lib/rust-virtio/load
	# Dracut takes /etc/modprobe.d along only for this host.
	inst_multiple -o /etc/modprobe.d/rust-virtio-enabled.conf /usr/lib/modprobe.d/rust-virtio-dkms.conf
	# shellcheck disable=SC2154 # dracut's
	: >"$initdir/usr/lib/rust-virtio/enabled-$(RUST_VIRTIO_ROOT=${dracutsysrootdir-} rust-virtio stamp)"
}
