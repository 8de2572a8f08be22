#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The devices load our drivers by themselves, as they load the C ones, and a blacklist chooses.
#
# guest: {"family":"c","net":[{}]}

. "$(dirname "$0")/../lib/tap.sh"
tap_plan 8

cleanup() {
	rm -f /run/modprobe.d/dropin-test.conf
}

vnet=$(virtio_of "$(nic_by_index 0)")
alias=$(cat "/sys/bus/virtio/devices/$vnet/modalias")

check "N1 the network device's alias names our driver" \
	sh -c "modprobe -R '$alias' | grep -qx rust_virtio_net"
check "N1 the network device's alias names the C driver" \
	sh -c "modprobe -R '$alias' | grep -qx virtio_net"
check "B1 the disk's alias names our driver" \
	sh -c 'modprobe -R virtio:d00000002v00001AF4 | grep -qx rust_virtio_blk'

modprobe -r virtio_net
check_eq "no driver is left" "$(driver_of "$vnet")" ""
mkdir -p /run/modprobe.d
echo 'blacklist virtio_net' > /run/modprobe.d/dropin-test.conf
check "the alias loads a driver" modprobe -b "$alias"
check_eq "a blacklist of the C driver leaves the device to ours" "$(driver_of "$vnet")" rust_virtio_net
modprobe -r rust_virtio_net
echo 'blacklist rust_virtio_net' > /run/modprobe.d/dropin-test.conf
check "the alias loads a driver again" modprobe -b "$alias"
check_eq "a blacklist of ours leaves the device to the C driver" "$(driver_of "$vnet")" virtio_net
