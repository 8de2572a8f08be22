#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Parameters of the module.
#
# guest: {"vcpus":2,"net":[{}],"cmdline":"harness.params"}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 24

nic=$(nic_by_index 0)
driver=$(driver_of "$nic")
params=/sys/module/$driver/parameters

reload() {
	modprobe -r "$driver" && modprobe "$driver" "$@" && wait_for 5 nic_by_index 0
	nic=$(nic_by_index 0)
}

cleanup() {
	reload
}

check_eq "N59 napi_weight" "$(cat "$params"/napi_weight)" 64
check_eq "N60 napi_tx" "$(cat "$params"/napi_tx)" Y
check_eq "N31 csum" "$(cat "$params"/csum)" Y
check_eq "N32 gso" "$(cat "$params"/gso)" Y
check_eq "N59 napi_weight is read-only" "$(stat -c %a "$params"/napi_weight)" 444
check_eq "N60 napi_tx is writable" "$(stat -c %a "$params"/napi_tx)" 644
check_eq "N31 csum is read-only" "$(stat -c %a "$params"/csum)" 444
check_eq "N32 gso is read-only" "$(stat -c %a "$params"/gso)" 444
reload csum=0 gso=0
check_eq "N31 checksums are off" "$(feature_of "$nic" tx-checksum-ip-generic)" off
check_eq "N32 segmentation is off then" "$(feature_of "$nic" tx-tcp-segmentation)" off
check "N31 checksums can be switched on" ethtool -K "$nic" tx on
check_eq "N31 checksums are on" "$(feature_of "$nic" tx-checksum-ip-generic)" on
reload gso=0
check_eq "N32 segmentation is off" "$(feature_of "$nic" tx-tcp-segmentation)" off
check_eq "N31 checksums are on without it" "$(feature_of "$nic" tx-checksum-ip-generic)" on
reload napi_tx=0
check "N60 reaping is off" sh -c "ethtool -c $nic | grep -q 'tx-frames:[[:space:]]*0'"
check "N16 traffic" nic_up "$nic" 0
check "N16 a file arrives" upload 8
check "N16 a file arrives from the host" download 8
reload napi_weight=16
check_eq "N59 the weight is set" "$(cat "$params"/napi_weight)" 16
check "N59 traffic" nic_up "$nic" 0
# The C driver receives nothing with such a weight, or corrupts the list of the instances.
for weight in 0 -64; do
	case $driver in
	rust_*)
		reload napi_weight=$weight
		check "N59 traffic with a weight of $weight" nic_up "$nic" 0
		check "N59 a file arrives with a weight of $weight" upload 2
		;;
	*)
		skip "N59 traffic with a weight of $weight" "of the Rust driver only"
		skip "N59 a file arrives with a weight of $weight" "of the Rust driver only"
		;;
	esac
done
