#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Both driver families side by side: the guest starts on the C drivers, and single devices are given
# to the Rust ones and back through sysfs.
#
# guest: {"family":"c","blk":[{"size":"64M"},{"size":"64M"}],"net":[{},{}]}

. "$(dirname "$0")/../lib/tap.sh"
tap_plan 19

# give DEVICE DRIVER: unbinds a virtio device from its driver and binds it to another.
give() {
	echo "$1" > "/sys/bus/virtio/devices/$1/driver/unbind" &&
		echo "$1" > "/sys/bus/virtio/drivers/$2/bind"
}

# content DISK SEED: writes a pattern over the disk, drops the caches, and compares.
content() {
	yes "$2" | dd of="/dev/$1" bs=64k count=256 iflag=fullblock oflag=direct 2>/dev/null &&
		yes "$2" | dd bs=64k count=256 iflag=fullblock 2>/dev/null | cmp -n 16777216 - "/dev/$1"
}

before=$(disk_by_serial blk1)
vblk=$(virtio_of "$before")
nic1=$(nic_by_index 1)
vnet=$(virtio_of "$nic1")

check_eq "the disk starts on the C driver" "$(driver_of "$before")" virtio_blk
check_eq "the interface starts on the C driver" "$(driver_of "$nic1")" virtio_net
# The C drivers are loaded and hold every device, so loading ours takes none away.
check "our drivers load beside the C drivers" modprobe -a rust_virtio_blk rust_virtio_net
check_eq "loading our driver takes no disk from the C driver" "$(rust_blk_disks)" ""
check_eq "loading our driver takes no interface from the C driver" "$(rust_nics)" ""

check "a disk is given to our driver" give "$vblk" rust_virtio_blk
rust=$(disk_by_serial blk1)
check_eq "the disk is on our driver" "$(driver_of "$rust")" rust_virtio_blk
check_eq "the disk has the name it had" "$rust" "$before"
check_eq "the other disk stays on the C driver" "$(driver_of "$(disk_by_serial blk0)")" virtio_blk
content "$(disk_by_serial blk0)" on-C &
pid=$!
check "content on our driver is right" content "$rust" on-Rust
wait $pid
check_eq "content on the C driver is right at the same time" $? 0

check "an interface is given to our driver" give "$vnet" rust_virtio_net
nic1=$(nic_by_index 1)
check_eq "the interface is on our driver" "$(driver_of "$nic1")" rust_virtio_net
check "the interface on our driver reaches the host" nic_up "$nic1" 1
check "the interface on the C driver reaches the host" nic_up "$(nic_by_index 0)" 0

check "the disk is given back" give "$vblk" virtio_blk
check_eq "the disk is on the C driver again" "$(driver_of "$(disk_by_serial blk1)")" virtio_blk
check "the interface is given back" give "$vnet" virtio_net
check "our drivers unload" modprobe -r rust_virtio_blk rust_virtio_net
