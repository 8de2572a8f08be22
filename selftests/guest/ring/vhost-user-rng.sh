#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests the rings with a device of the rust-vmm project, which is another implementation than QEMU's:
# vhost-device-rng, where the host has it (cargo install vhost-device-rng).
#
# guest: {"family":"c","qemu":["-object","memory-backend-memfd,id=shared,size=1G,share=on",
# guest:  "-machine","memory-backend=shared"]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host
host sh 'command -v vhost-device-rng' >/dev/null || skip_all "the host has no vhost-device-rng"
modprobe virtio_rng || skip_all "the kernel has no virtio_rng"
tap_plan 4

plug() {
	host bg 'exec vhost-device-rng -s rng.sock' >/dev/null && wait_for 20 host sh '[ -S rng.sock0 ]' &&
		add_socket rng rng.sock0 &&
		qmp_cmd device_add '{"driver":"vhost-user-rng-pci","id":"rng","chardev":"rng","bus":"spare0"}' >/dev/null &&
		wait_for_device virtio_of_type 4
}

unplug() {
	_device=$(virtio_of_type 4)
	unplug_device rng test ! -e "/sys/bus/virtio/devices/$_device"
}

check "a device is plugged in" plug
check_eq "it is on the driver" "$(driver_of "$(virtio_of_type 4)")" virtio_rng
check "what is read is random" front_rng
check "it is unplugged" unplug
