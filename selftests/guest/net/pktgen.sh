#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Packets of all shapes, as fast as they can be made.
#
# guest: {"vcpus":2,"net":[{}],"cmdline":"harness.pktgen"}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 11

nic=$(nic_by_index 0)
check "N12 traffic" nic_up "$nic" 0
modprobe pktgen
mac=$(host sh "ip -br link show tap0" | awk '{ print $3 }')

pg() {
	echo "$2" >"/proc/net/pktgen/$1"
}

# flood COUNT SIZE CLONES FRAGMENTS: sends, and says whether all were sent.
flood() {
	pg kpktgend_0 rem_device_all && wait_for 5 pg kpktgend_0 "add_device $nic" && pg "$nic" "count $1" &&
		pg "$nic" "pkt_size $2" && pg "$nic" "clone_skb $3" && pg "$nic" "frags $4" &&
		pg "$nic" "dst $NET_HOST" && pg "$nic" "dst_mac $mac" && pg "$nic" "delay 0" && pg "$nic" "burst ${BURST:-1}" &&
		_before=$(cat "/sys/class/net/$nic/statistics/tx_packets") && pg pgctrl start &&
		wait_for 10 sent_all "$1"
}

sent_all() {
	[ $(($(cat "/sys/class/net/$nic/statistics/tx_packets") - _before)) -ge "$1" ]
}

check "N12 small packets" flood 5000 60 0 0
check "N12 full packets" flood 5000 1500 0 0
check "N13 one packet many times" flood 5000 60 1000 0
check "N13 one full packet many times" flood 5000 1500 1000 0
check "N65 packets in pieces" flood 5000 1500 0 4
capture whole.txt "-c 100 -i tap0 'udp dst port 9 and greater 1500'"
check "N65 packets in as many pieces as there can be" flood 5000 1500 0 17
check "N65 no piece is left out" wait_for 20 host sh "grep -q '^100 packets captured' whole.txt"
check "N65 one packet in many pieces many times" flood 5000 1500 1000 17
BURST=32
check "N17 small packets in bursts" flood 20000 60 1000 0
check "N12 traffic after that" ping -c3 -i0.2 "$NET_HOST"
pg kpktgend_0 rem_device_all
modprobe -r pktgen
