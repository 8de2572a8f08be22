#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What ethtool shows and sets.
#
# guest: {"vcpus":4,"net":[{"queues":4,"props":{"rx_queue_size":1024}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 36

nic=$(nic_by_index 0)
driver=$(driver_of "$nic")

cleanup() {
	ip link set "$nic" down
	ethtool -C "$nic" tx-frames 1
	ethtool -L "$nic" combined 4
}

info() {
	ethtool -i "$nic" | awk -v f="$1:" '$1 == f { print $2 }'
}

# change_pairs: changes the number of pairs over and over, while packets go both ways after each change.
change_pairs() {
	stream "$nic" -P 4 --bidir || return 1
	_result=0
	for _pairs in 1 3 2 4 1 3 2 4 1 3 2 4; do
		ethtool -L "$nic" combined $_pairs && goes_on "$nic" || { _result=1 && break; }
	done
	end_stream && return $_result
}

check_eq "N48 driver" "$(info driver)" "$driver"
check_eq "N48 version" "$(info version)" 1.0.0
check_eq "N48 bus" "$(info bus-info)" "$(pci_of "$nic")"
check_eq "N49 no link while down" "$(ethtool "$nic" | awk '/Link detected/ { print $3 }')" no
check "N50 software timestamps" sh -c "ethtool -T $nic | grep -q software-transmit"
check_eq "N51 size of the receive ring" "$(ethtool -g "$nic" | awk '/^RX:/ { print $2 }' | tr '\n' ' ')" "1024 1024 "
check_eq "N51 size of the transmit ring" "$(ethtool -g "$nic" | awk '/^TX:/ { print $2 }' | tr '\n' ' ')" "256 256 "
check_eq "N55 receive queues" "$(ethtool -n "$nic" 2>/dev/null | awk '/RX rings/ { print $1 }')" 4

names=$(ethtool -S "$nic" | awk 'NR > 1 { print $1 }' | tr -d ':' | tr '\n' ' ')
wanted=
for q in "" 0 1 2 3; do
	for n in drops xdp_packets xdp_tx xdp_redirects xdp_drops kicks; do
		rx="$rx rx${q}_$n"
	done
	for n in xdp_tx xdp_tx_drops kicks tx_timeouts; do
		tx="$tx tx${q}_$n"
	done
	[ -z "$q" ] && wanted="$rx$tx" rx="" tx=""
done
wanted="$wanted$rx$tx"
check_eq "N52 names of the statistics" " $names" "$wanted "

check "N44 traffic" nic_up "$nic" 0
stamp='
import select, socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
# SO_TIMESTAMPING: when the driver sends, in software, without the packet.
s.setsockopt(socket.SOL_SOCKET, 37, 1 << 1 | 1 << 4 | 1 << 11)
s.sendto(bytes(100), (sys.argv[1], 9999))
p = select.poll()
p.register(s, 0)
p.poll(10000)
_, control, _, _ = s.recvmsg(0, 1024, socket.MSG_ERRQUEUE)
times = [struct.unpack("qq", data[:16]) for level, kind, data in control if (level, kind) == (socket.SOL_SOCKET, 37)]
sys.exit(not times or times[0] == (0, 0))
'
check "N50 a packet that is sent has a time" python3 -c "$stamp" "$NET_HOST"
check_eq "N44 pairs at first" "$(ethtool -l "$nic" | awk '/Combined/ { print $2 }' | tr '\n' ' ')" "4 4 "
check "N44 fewer pairs" ethtool -L "$nic" combined 2
check_eq "N44 transmit queues then" "$(ls -d /sys/class/net/"$nic"/queues/tx-* | wc -l)" 2
check_eq "N44 receive queues then" "$(ls -d /sys/class/net/"$nic"/queues/rx-* | wc -l)" 2
check_eq "N52 statistics of two pairs" "$(ethtool -S "$nic" | awk 'NR > 1' | wc -l)" 30
check "N45 traffic on fewer pairs" ping -c3 -i0.2 "$NET_HOST"
check_not "N44 no pair is refused" ethtool -L "$nic" combined 0
check_not "N44 too many are refused" ethtool -L "$nic" combined 5
check_not "N44 single queues are refused" ethtool -L "$nic" rx 1
check "N44 all pairs again" ethtool -L "$nic" combined 4
check "N45 traffic on all pairs" iperf_ok 2 -P 8
check "N45 pairs change under traffic" change_pairs
check "N45 traffic after that" ping -c3 -i0.2 "$NET_HOST"
check "N52 kicks are counted" sh -c "[ $(stat_of "$nic" tx_kicks) -gt 0 ] && [ $(stat_of "$nic" rx_kicks) -gt 0 ]"

check "N56 frames are one" sh -c "ethtool -c $nic | grep -q 'tx-frames:[[:space:]]*1'"
check_not "N56 tx-frames cannot change while up" ethtool -C "$nic" tx-frames 0
check_not "N56 microseconds are refused" ethtool -C "$nic" rx-usecs 10
ip link set "$nic" down
check_not "N56 rx-frames stays" ethtool -C "$nic" rx-frames 2
check_not "N56 more than one tx-frame is refused" ethtool -C "$nic" tx-frames 2
check "N56 tx-frames goes to zero while down" ethtool -C "$nic" tx-frames 0
check "N56 per queue" sh -c "ethtool --per-queue $nic queue_mask 1 --show-coalesce | grep -q 'tx-frames:[[:space:]]*0'"
check "N16 traffic without transmit NAPI" nic_up "$nic" 0
check "N16 two-way TCP without transmit NAPI" iperf_ok 3 --bidir -P 4
check "N16 a file arrives without transmit NAPI" upload 8
ip link set "$nic" down
ethtool -C "$nic" tx-frames 1
check "N56 traffic with transmit NAPI again" nic_up "$nic" 0
