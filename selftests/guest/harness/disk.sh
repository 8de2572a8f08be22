#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that a guest has the disks and NICs it was described with, and that they can be found.
#
# guest: {"blk":[{"size":"64M"},{"size":"32M","readonly":true}],
# guest:  "net":[{},{"queues":2}]}

. "$(dirname "$0")/../lib/tap.sh"
need_host
tap_plan 9

disk=$(disk_by_serial blk0)
check "the first disk is found by its serial number" test -b "/dev/$disk"
check_eq "the first disk has the size asked for" "$(cat "/sys/block/$disk/size")" 131072
check_eq "the second disk is read-only" "$(cat "/sys/block/$(disk_by_serial blk1)/ro")" 1
check "the root file system is on a virtio disk" \
	grep -q "^/dev/$(disk_by_serial harness-root) / " /proc/mounts
family=$(driver_of "$disk" | sed 's/virtio_blk$//')
check_eq "the NIC is driven by the same family" "$(driver_of "$(nic_by_index 0)")" \
	"${family}virtio_net"
check "the host answers on the first network" nic_up "$(nic_by_index 0)" 0
check "the host answers on the second network" nic_up "$(nic_by_index 1)" 1
check "the host reaches the guest" host sh 'ping -c1 -W5 198.51.100.2'
before=$(irqs_of "$disk")
dd if="/dev/$disk" of=/dev/null bs=4k count=64 iflag=direct 2>/dev/null
check "reads cause interrupts of the disk" test "$(irqs_of "$disk")" -gt "$before"
