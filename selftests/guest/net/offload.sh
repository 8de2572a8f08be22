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

# Looks at packets of a stream that goes on, so that none of these ends for want of packets.
CAPTURE="timeout $(patient 60) tcpdump -q -nn"
COUNT_LARGE="2>/dev/null | awk '\$NF > 3000 { large++ } END { exit !(NR == 200 && !large) }'"

large() {
	host sh "$CAPTURE -c 1 -i tap0 '$1 and greater 3000' 2>/dev/null | grep -q ."
}

# none_large: whether none of 200 packets that leave the guest is large.
none_large() {
	is_streaming && host sh "$CAPTURE -c 200 -i tap0 'tcp and src host $NET_GUEST and greater 1000' $COUNT_LARGE"
}

stream "$nic" || exit 1
check "N32 large packets leave the guest" large "src host $NET_GUEST"
ethtool -K "$nic" tso off >/dev/null
check "N32 segmentation goes off under traffic" sh -c "ethtool -k $nic | grep -q 'tx-tcp-segmentation: off'"
# Those that were in the ring may leave yet.
check "N32 no large packets leave the guest then" wait_for 20 none_large
end_stream
check "N31 a file arrives without segmentation" upload 4
ethtool -K "$nic" tx off >/dev/null
check_eq "N31 checksums go off" "$(feature_of "$nic" tx-checksum-ip-generic)" off
check "N31 a file arrives without checksums" upload 4
ethtool -K "$nic" tx on tso on >/dev/null
check "N32 a file arrives with all again" upload 4

# guest_large: whether a large packet comes, as the device made it: the stack merges none.
guest_large() {
	$CAPTURE -c 1 -i "$nic" "src host $NET_HOST and greater 3000" 2>/dev/null | grep -q .
}

# none_large_comes: whether none of 200 packets is large.
none_large_comes() {
	is_streaming && eval "$CAPTURE -c 200 -i $nic 'tcp and src host $NET_HOST and greater 1000' $COUNT_LARGE"
}

ethtool -K "$nic" gro off >/dev/null
stream "$nic" -R || exit 1
check "N36 large packets arrive" guest_large
end_stream
check "N36 a file arrives in large packets" download 8
check "N38 merged packets go off" ethtool -K "$nic" rx-gro-hw off
check_eq "N38 merged packets are off" "$(feature_of "$nic" rx-gro-hw)" off
check "N38 a file arrives in small packets" download 8
stream "$nic" -R || exit 1
check "N38 no large packet arrives then" wait_for 20 none_large_comes
end_stream
