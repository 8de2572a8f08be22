#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# stock-state.sh c|rust: tests that a Debian has come up whole, with its disk and its network on a family
# of drivers. HARNESS_EXPECTED is a regular expression of kernel messages that may be errors.

. "$(dirname "$0")/../lib/tap.sh"
need_host
family=$1
prefix=
[ "$family" = rust ] && prefix=rust_

root=$(findmnt -n -o SOURCE /)
root=${root#/dev/}
nic=$(nic_by_index 1)

has_address() {
	ip -4 -o addr show dev "$nic" scope global | grep -q "inet $(nic_subnet 1)\.[5-9][0-9]/"
}

nic_drivers() {
	for _n in $(virtio_nics); do driver_of "$_n"; done | sort -u
}

disk_drivers() {
	for _b in $(virtio_blk_disks); do driver_of "$_b"; done | sort -u
}

errors() {
	dmesg -l emerg,alert,crit,err | grep -v -E "${HARNESS_EXPECTED:-^\$}"
}

show() {
	"$@"
	! "$@" | grep -q .
}

check_eq "the root disk has the right driver" "$(driver_of "$root")" "${prefix}virtio_blk"
check_eq "all disks have it" "$(disk_drivers)" "${prefix}virtio_blk"
check_eq "the NIC has the right driver" "$(driver_of "$nic")" "${prefix}virtio_net"
check_eq "all NICs have it" "$(nic_drivers)" "${prefix}virtio_net"
check "DHCP has given the NIC an address" wait_for 60 has_address
check "the host answers" ping -c 3 -i 0.2 -W 5 "$(nic_subnet 1).1"
check_eq "the system is running" "$(cat /run/harness/running)" running
check "no unit has failed" show systemctl --failed --no-legend --plain
check "the kernel reports no error" show errors
if [ "$family" = c ]; then
	check "no module of ours is loaded" sh -c '! grep ^rust_ /proc/modules'
else
	check "the modules are those of DKMS" \
		sh -c 'modinfo -F filename rust_virtio_blk | grep /updates/dkms/'
	for _m in rust_vring rust_virtqueue rust_virtio_blk rust_virtio_net; do
		check "$_m is signed by the key of DKMS" sh -c "modinfo -F signer $_m | grep DKMS"
	done
fi
