#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Receive-side scaling looks to the user as with the C driver.
#
# guest: {"family":"c","vcpus":4,"net":[{"queues":4,"props":{"rss":"on"}},{"queues":2}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/rss.sh"
need_host
tap_plan 6

# run COMMAND...: runs a command, and prints output and status.
run() {
	echo "\$ $*"
	"$@" 2>&1
	echo "= $?"
}

# The key is the same for all interfaces until the next boot.
story() {
	run rss_shown "$1"
	for _key in $(hkey 1) $(hkey 2) 01:02; do run ethtool -X "$1" hkey "$_key"; done
	for _how in "equal 2" "equal 9" "weight 0 1 0 3" "weight 1 1 1 1 1" "hfunc xor" "hfunc toeplitz" \
		"context new" "equal 3 hkey $(hkey 5)"; do
		# shellcheck disable=SC2086 # several words
		run ethtool -X "$1" $_how
		run rss_shown "$1"
	done
	for _pairs in 2 4 3; do
		run ethtool -L "$1" combined $_pairs
		run rss_shown "$1"
	done
	run ethtool -X "$1" default
	for _pairs in 2 4; do
		run ethtool -L "$1" combined $_pairs
		run rss_shown "$1"
	done
	for _on in on off on; do
		run ethtool -K "$1" rxhash $_on
		run rss_shown "$1"
	done
	for _flow in udp4 tcp4 udp6 tcp6 sctp4 ah4 ether; do
		for _fields in sd sdfn r s sdf v m; do
			run ethtool -N "$1" rx-flow-hash $_flow $_fields
			run rss_shown "$1"
		done
	done
}

virtio0=$(virtio_of "$(nic_by_index 0)")
virtio1=$(virtio_of "$(nic_by_index 1)")
for index in 0 1; do
	nic=$(nic_by_index $index)
	ip link set "$nic" up
	story "$nic" >/run/harness/c-$index
	ip link set "$nic" down
done
check "the Rust driver loads beside the C driver" modprobe rust_virtio_net
check "the interfaces are given to it" give_to rust_virtio_net "$virtio0" "$virtio1"
check "N81 RSS is negotiated" has_feature "$(nic_by_index 0)" 60
for index in 0 1; do
	nic=$(nic_by_index $index)
	ip link set "$nic" up
	story "$nic" >/run/harness/rust-$index
done
check "N82 N84 the user sees the same with RSS" diff -u /run/harness/c-0 /run/harness/rust-0
check "N82 N84 the user sees the same without RSS" diff -u /run/harness/c-1 /run/harness/rust-1
check "N82 the table was shown" grep -q 'RX flow hash indirection table' /run/harness/rust-0
