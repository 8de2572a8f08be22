#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Offloads: which are there, and that they can be switched under traffic.
#
# guest: {"net":[{}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 23

nic=$(nic_by_index 0)

cleanup() {
	ethtool -K "$nic" tx on tso on gso on gro on rx-gro-hw on >/dev/null
}

check_eq "N31 checksums" "$(feature_of "$nic" tx-checksum-ip-generic)" on
check_eq "N31 scatter-gather" "$(feature_of "$nic" tx-scatter-gather)" on
check_eq "N32 TCP segmentation" "$(feature_of "$nic" tx-tcp-segmentation)" on
check_eq "N32 TCP segmentation over IPv6" "$(feature_of "$nic" tx-tcp6-segmentation)" on
check_eq "N32 TCP segmentation with ECN" "$(feature_of "$nic" tx-tcp-ecn-segmentation)" on
check_eq "N32 packets of other guests are segmented" "$(feature_of "$nic" tx-gso-robust)" on
check_eq "N35 receive checksums" "$(feature_of "$nic" rx-checksumming)" on
check_eq "N36 merged packets" "$(feature_of "$nic" rx-gro-hw)" on
# Bits 10 and 14; no interface of Linux makes such packets.
if has_feature "$nic" 14 || has_feature "$nic" 10; then
	check "N34 UFO is negotiated where it is offered" has_feature "$nic" 14
else
	skip "N34 UFO is negotiated where it is offered" "the host has none"
fi
check "N32 traffic" nic_up "$nic" 0

large() {
	host sh "timeout 20 tcpdump -c 1 -nn -i tap0 '$1 and greater 3000' 2>/dev/null | grep -q ."
}

iperf 8 >/dev/null &
sleep 2
check "N32 large packets leave the guest" large "src host $NET_GUEST"
ethtool -K "$nic" tso off >/dev/null
check "N32 segmentation goes off under traffic" sh -c "ethtool -k $nic | grep -q 'tx-tcp-segmentation: off'"
sleep 1
check_not "N32 no large packets leave the guest then" host sh "timeout 3 tcpdump -c 1 -nn -i tap0 'src host $NET_GUEST and greater 3000' 2>/dev/null | grep -q ."
wait
check "N31 a file arrives without segmentation" upload 4
ethtool -K "$nic" tx off >/dev/null
check_eq "N31 checksums go off" "$(feature_of "$nic" tx-checksum-ip-generic)" off
check "N31 a file arrives without checksums" upload 4
ethtool -K "$nic" tx on tso on >/dev/null
check "N32 a file arrives with all again" upload 4

# guest_large SECONDS: whether a large packet comes, as the device made it: the stack merges none.
guest_large() {
	timeout "$1" tcpdump -c 1 -nn -i "$nic" "src host $NET_HOST and greater 3000" 2>/dev/null | grep -q .
}

ethtool -K "$nic" gro off >/dev/null
iperf 8 -R >/dev/null &
sleep 2
check "N36 large packets arrive" guest_large 20
wait
check "N36 a file arrives in large packets" download 8
check "N38 merged packets go off" ethtool -K "$nic" rx-gro-hw off
check_eq "N38 merged packets are off" "$(feature_of "$nic" rx-gro-hw)" off
check "N38 a file arrives in small packets" download 8
iperf 6 -R >/dev/null &
sleep 2
check_not "N38 no large packet arrives then" guest_large 3
wait
