#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Combinations of features that no device may have, made by masking bits.
#
# guest: {"net":[{}],"cmdline":"harness.validate","allow":["probe with driver .*virtio_net failed with error -22","device advertises feature .* but not"]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 14

nic=$(nic_by_index 0)
vdev=$(virtio_of "$nic")
driver=$(driver_of "$nic")
debug=/sys/kernel/debug/virtio/$vdev

mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
[ -d "$debug" ] || skip_all "no CONFIG_VIRTIO_DEBUG"

rebind() {
	[ -e "/sys/bus/virtio/devices/$vdev/driver" ] &&
		echo "$vdev" >"/sys/bus/virtio/drivers/$driver/unbind"
	echo "$vdev" >"/sys/bus/virtio/drivers/$driver/bind"
}

mask() {
	echo 1 >"$debug/filter_features_clear"
	for _bit; do
		echo "$_bit" >"$debug/filter_feature_add"
	done
	rebind
}

cleanup() {
	mask 2>/dev/null
}

features=$(cat "/sys/bus/virtio/devices/$vdev/features")
check_eq "N2 features are 128 bits" "${#features}" 128
# GSO, CTRL_RX_EXTRA, RSC_EXT and those of the driver's own table.
check "N2 no feature beyond the table" sh -c "for b in 6 20 61; do [ \$(echo $features | cut -c \$((b + 1))) = 0 ] || exit 1; done"
kmsg_mark
check_not "N3 no control queue but its features" mask 17
check "N3 the message names both" was_said 'advertises feature VIRTIO_NET_F_CTRL_RX but not VIRTIO_NET_F_CTRL_VQ'
check "N3 no control queue and none of its features" mask 17 18 19 21 22 23
nic=$(nic_by_index 0)
check_not "N39 the filter of VLANs is gone" sh -c "ethtool -k $nic | grep -q 'rx-vlan-filter: on'"
check "H131 offloads cannot be switched without it" sh -c "ethtool -k $nic | grep -q 'rx-gro-hw: on \[fixed\]'"
check "N39 traffic without it" nic_up "$nic" 0
kmsg_mark
check "N8 no address" mask 5
check "N8 a random one is assigned" was_said 'Assigned random MAC address'
random=$(rx_filter '.["main-mac"]' | tr -d '"')
check "N8 the device has it" sh -c "cat /sys/class/net/*/address | grep -q '$random'"
mask 16
check "N26 without a state of the link it is up" sh -c "n=\$(ls -d /sys/class/net/eth* | head -n1); ip link set \${n##*/} up; [ \$(cat \$n/carrier) = 1 ]"
mask 23
nic=$(nic_by_index 0)
check "N42 the address is set without telling a modern device" ip link set "$nic" address 52:54:00:12:34:58
ip link set "$nic" address 52:54:00:00:00:01
mask
check "N3 all features again" nic_up "$(nic_by_index 0)" 0
