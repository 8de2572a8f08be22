# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Compares what a user sees of NICs 0 and 1 with the C driver and with the Rust driver. Differences that docs/drop-in.md
# lists are in net/like-c-allowed.txt.

. "$(dirname "$0")/../lib/tap.sh"
need_host

# setting SET NIC TITLE [FEATURES]: prints a setting for like_c.py: set, NIC, title, masked features.
setting() {
	echo "$1 | $2 | $3 | $4"
}

# settings: prints the settings, those that are in the set "some" and those that are only in the set "all".
# VIRTIO_NET_F_STANDBY is masked unless it is there as "+STANDBY". With "!" commands that change something are tried,
# and the views that follow are compared too.
settings() {
	# Received packets that are larger than the MTU.
	_large="GUEST_TSO4 GUEST_TSO6 GUEST_ECN GUEST_UFO GUEST_USO4 GUEST_USO6"
	setting some 0 "N4 the same with all features" "!"
	setting some 0 "N92 N93 the same as a standby" "+STANDBY"
	setting some 0 "N31 the same without checksums" "CSUM"
	setting all 0 "N32 the same without segmentation" "HOST_TSO4 HOST_TSO6 HOST_ECN HOST_USO HOST_UFO"
	setting all 0 "N32 the same without HOST_TSO4" "HOST_TSO4"
	setting all 0 "N32 the same without HOST_TSO6" "HOST_TSO6"
	setting all 0 "N32 the same without HOST_ECN" "HOST_ECN"
	setting all 0 "N33 the same without HOST_USO" "HOST_USO"
	setting all 0 "N34 the same without HOST_UFO" "HOST_UFO"
	setting some 0 "N35 the same without GUEST_CSUM" "GUEST_CSUM $_large"
	setting all 0 "N36 the same without GUEST_TSO4" "GUEST_TSO4"
	setting all 0 "N36 the same without GUEST_TSO6" "GUEST_TSO6"
	setting all 0 "N36 the same without GUEST_TSO4 and GUEST_TSO6" "GUEST_TSO4 GUEST_TSO6"
	setting all 0 "N37 the same without GUEST_USO" "GUEST_USO4 GUEST_USO6"
	setting some 0 "N38 the same without CTRL_GUEST_OFFLOADS" "CTRL_GUEST_OFFLOADS"
	setting all 0 "N30 the same without MTU" "MTU"
	setting some 0 "N8 the same without MAC" "MAC"
	setting some 0 "N23 the same with big receive buffers" "MRG_RXBUF"
	setting all 0 "N21 the same with small receive buffers" "MRG_RXBUF $_large MTU !"
	setting all 0 "N23 the same with receive buffers for the MTU" "MRG_RXBUF $_large"
	setting all 0 "N26 the same without STATUS" "STATUS"
	setting some 0 "N3 the same without CTRL_VQ only" "CTRL_VQ"
	setting some 0 "N39 the same without a control queue" "CTRL_VQ CTRL_RX CTRL_VLAN GUEST_ANNOUNCE MQ CTRL_MAC_ADDR RSS HASH_REPORT"
	setting all 0 "N40 the same without CTRL_RX" "CTRL_RX"
	setting all 0 "N41 the same without CTRL_VLAN" "CTRL_VLAN"
	setting all 0 "N43 the same without GUEST_ANNOUNCE" "GUEST_ANNOUNCE"
	setting all 0 "N44 the same without MQ" "MQ"
	setting some 0 "N44 the same without MQ and RSS" "MQ RSS"
	setting all 0 "N42 the same without CTRL_MAC_ADDR" "CTRL_MAC_ADDR"
	setting all 0 "N94 the same without RING_RESET" "RING_RESET !"
	setting all 0 "N83 the same without HASH_REPORT" "HASH_REPORT"
	setting all 0 "N81 the same without RSS" "RSS"
	setting some 0 "N81 the same without RSS and HASH_REPORT" "RSS HASH_REPORT"
	setting all 0 "N47 the same without SPEED_DUPLEX" "SPEED_DUPLEX"
	setting some 0 "N26 N30 N47 the same without MTU and STATUS and SPEED_DUPLEX" "MTU STATUS SPEED_DUPLEX"
	setting all 0 "N92 the same as a standby without MAC" "+STANDBY MAC"
	setting some 1 "N7 the same on a legacy device"
	setting some 1 "N7 the same on a legacy device without GSO" "GSO HOST_TSO4 HOST_TSO6 HOST_ECN"
	setting all 1 "N7 the same on a legacy device without ANY_LAYOUT" "ANY_LAYOUT"
}

# like_c SET: compares the drivers in the settings of a set, and ends the script.
like_c() {
	_virtio0=$(virtio_of "$(nic_by_index 0)")
	_virtio1=$(virtio_of "$(nic_by_index 1)")
	mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug
	[ -d "/sys/kernel/debug/virtio/$_virtio0" ] || skip_all "no CONFIG_VIRTIO_DEBUG"
	modprobe rust_virtio_net || exit 1
	# No packet of the guest or of the host changes what is seen.
	for _conf in default all; do echo 1 >/proc/sys/net/ipv6/conf/$_conf/disable_ipv6; done
	host sh 'for n in tap0 tap1; do echo 1 >/proc/sys/net/ipv6/conf/$n/disable_ipv6; done'
	settings | python3 ../lib/like_c.py "$1" "$_virtio0" "$_virtio1"
	_status=$?
	# Python has printed the results.
	trap - EXIT
	exit $_status
}
