#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The random number generator on the C driver.
#
# guest: front.json
# transports: pci legacy mmio

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host

tap_plan 3

check "what is read is random" front_rng
check "the driver is bound" test "$(driver_of "$(virtio_of_type 4)")" = virtio_rng
unload() {
	modprobe -r virtio_rng && ! grep -q virtio_rng /sys/class/misc/hw_random/rng_available &&
		modprobe virtio_rng
}
check "the driver goes and comes back" unload
