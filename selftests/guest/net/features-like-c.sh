#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# With the Rust driver, a device has the features that it has with the C driver: a usual device, one with the features
# that are off by default, and a legacy one.
#
# guest: {"family":"c","vcpus":2,"net":[{},
# guest:  {"queues":2,"mtu":9000,"props":{"rss":"on","hash":"on","host_mtu":9000,"speed":10000,"duplex":"full"}},
# guest:  {"port":false,"props":{"disable-modern":"on","disable-legacy":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
tap_plan 8

# features_of VIRTIO: prints the features that were negotiated, a digit for each bit.
features_of() {
	cat "/sys/bus/virtio/devices/$1/features"
}

# has_bits VIRTIO BIT...: whether all of these were negotiated.
has_bits() {
	_all=$(features_of "$1")
	shift
	for _bit; do
		[ "$(printf %s "$_all" | cut -c $((_bit + 1)))" = 1 ] || return 1
	done
}

usual=$(virtio_of "$(nic_by_index 0)")
more=$(virtio_of "$(nic_by_index 1)")
legacy=$(virtio_of "$(nic_by_index 2)")
usual_c=$(features_of "$usual")
more_c=$(features_of "$more")
legacy_c=$(features_of "$legacy")
check "the Rust driver loads beside the C driver" modprobe rust_virtio_net
check "the interfaces are given to it" give_to rust_virtio_net "$usual" "$more" "$legacy"
check_eq "N2 features of a usual device" "$(features_of "$usual")" "$usual_c"
check_eq "N2 features that are off by default" "$(features_of "$more")" "$more_c"
check_eq "N2 features of a legacy device" "$(features_of "$legacy")" "$legacy_c"
# VERSION_1 is bit 32.
check_not "N2 that one is legacy" has_bits "$legacy" 32
# MTU, MQ, HASH_REPORT, RSS, SPEED_DUPLEX.
check "N2 those that are off by default were on" has_bits "$more" 3 22 57 60 63
check_not "N2 they are off by default" has_bits "$usual" 60
