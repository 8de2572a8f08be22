#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# XDP programs: attached, replaced and detached under traffic, and what they decide.
#
# guest: {"vcpus":2,"net":[{"queues":4,"mtu":9000},{}],"cmdline":"harness.xdp"}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 40

nic=$(nic_by_index 0)
other=$(nic_by_index 1)

# xdp ARGUMENTS: attaches a program to an interface, or detaches it.
xdp() {
	python3 "$(dirname "$0")/../lib/xdp.py" "$@"
}

cleanup() {
	xdp detach "$nic"
	xdp detach "$other"
	ip link set "$nic" mtu 1500
	ethtool -L "$nic" combined 2
}

# from_host COUNT: the host sends frames that the program acts on.
from_host() {
	host sh "python3 xdp.py send tap0 $1"
}

# back_to TAP COUNT COMMAND...: whether as many frames come to an interface of the host meanwhile.
back_to() {
	_tap=$1
	_count=$2
	shift 2
	host sh 'rm -f back.txt'
	host bg "exec python3 xdp.py count $_tap $_count back.txt" >/dev/null
	wait_for 20 host sh 'grep -q counts back.txt' || return 1
	"$@" || return 1
	wait_for 120 host sh 'grep -q "^[0-9]" back.txt' || return 1
	_got=$(host sh 'tail -n 1 back.txt')
	diag "$_got of $_count frames"
	[ "$_got" = "$_count" ]
}

combined() {
	ethtool -l "$nic" | awk '/^Current/ { now = 1 } now && $1 == "Combined:" { print $2 }'
}

# grows NAME BY COMMAND...: whether a value of ethtool -S grows by so much.
grows() {
	_name=$1
	_wanted=$(($(stat_of "$nic" "$_name") + $2))
	shift 2
	"$@" || return 1
	wait_for 10 has_grown
}

has_grown() {
	[ "$(stat_of "$nic" "$_name")" -ge "$_wanted" ]
}

# are_counted INTERFACE NAME INTERFACE NAME: whether two values are 50 or more. A poll counts what it did at its end.
are_counted() {
	[ "$(stat_of "$1" "$2")" -ge 50 ] && [ "$(stat_of "$3" "$4")" -ge 50 ]
}

# says TEXT COMMAND...: whether a command fails with this message of the driver.
says() {
	_text=$1
	shift
	_said=$("$@" 2>&1) && return 1
	diag "$_said"
	echo "$_said" | grep -qF "$_text"
}

base64 -w0 <"$(dirname "$0")/../lib/xdp.py" >/run/harness/xdp.b64
host sh 'rm -f xdp.b64'
fold -w 900 /run/harness/xdp.b64 | while read -r part || [ -n "$part" ]; do
	host sh "printf %s $part >>xdp.b64"
done
host sh 'base64 -d <xdp.b64 >xdp.py'

ip link set "$nic" mtu 1500
ethtool -L "$nic" combined 2
check "N66 traffic" nic_up "$nic" 0
ip link set "$other" up
check_eq "N76 features" "$(xdp features "$nic")" $((1 + 2 + 8 + 32))
check "N66 a program is attached" xdp attach "$nic" pass
check "N66 the interface shows it" sh -c "ip link show $nic | grep -q 'prog/xdp'"
check_eq "N76 features with a program" "$(xdp features "$nic")" $((1 + 2 + 4 + 8 + 32 + 64))
check_eq "N69 each CPU has a pair" "$(combined)" 4
check_eq "N69 the stack has those that it had" "$(find "/sys/class/net/$nic/queues/" -name 'tx-*' -maxdepth 1 | wc -l)" 2
check_not "N69 the number of pairs is fixed" ethtool -L "$nic" combined 1
check "N67 packets pass" grows rx_xdp_packets 3 ping -c3 -i0.2 -W5 "$NET_HOST"
check "N67 a file arrives at the host" upload 8
check "N67 a file arrives from the host" download 8
check "N67 two-way TCP" iperf_ok 2 --bidir
check_eq "N67 no large packet came" "$(stat_of "$nic" rx_xdp_drops)" 0
check "N66 the program is replaced" xdp attach "$nic" drop
check "N67 packets are dropped" grows rx_xdp_drops 50 from_host 50
check "N67 others pass" ping -c3 -i0.2 -W5 "$NET_HOST"
check "N66 a program that sends back" xdp attach "$nic" tx
check "N68 packets come back" back_to tap0 50 from_host 50
check "N68 they are counted" wait_for 10 are_counted "$nic" rx_xdp_tx "$nic" tx_xdp_tx
check_eq "N69 the stack's queues had none" "$(($(stat_of "$nic" tx0_xdp_tx) + $(stat_of "$nic" tx1_xdp_tx)))" 0
check "N71 a target of redirection" xdp attach "$other" pass
check "N66 a program that redirects" xdp attach "$nic" redirect --to "$other"
check "N70 packets are redirected" back_to tap1 50 from_host 50
check "N70 they are counted" wait_for 10 are_counted "$nic" rx_xdp_redirects "$other" tx_xdp_tx
xdp detach "$other"
check "N71 no target without a program" grows rx_xdp_drops 20 from_host 20

# swap: attaches and detaches programs, while packets go both ways after each change.
swap() {
	# Not more, so that programs get processors to be attached by.
	stream "$nic" --bidir -b 5M || return 1
	_result=0
	for _ in $(seq 5); do
		xdp attach "$nic" pass && goes_on "$nic" && xdp attach "$nic" drop && goes_on "$nic" && xdp detach "$nic" ||
			{ _result=1 && break; }
	done
	end_stream && return $_result
}
check "N73 attached and detached under traffic" swap
check "N73 traffic without a program" ping -c3 -i0.2 "$NET_HOST"
check_eq "N69 the pairs are given back" "$(combined)" 2
check_not "N66 the interface shows no program" sh -c "ip link show $nic | grep -q 'prog/xdp'"
check "N66 a file arrives" download 8

ip link set "$nic" mtu 9000
host sh 'ip link set tap0 mtu 9000'
check "N66 the MTU is too large" says "MTU too large to enable XDP without frags" xdp attach "$nic" pass
check "N72 a program that takes fragments" xdp attach "$nic" pass --frags
check "N72 large packets pass" ping -M "do" -c3 -i0.2 -W5 -s 8972 "$NET_HOST"
check "N72 a file arrives in large packets" download 8
check "N72 a program that sends them back" xdp attach "$nic" tx --frags
check "N72 large packets come back" back_to tap0 20 host sh 'python3 xdp.py send tap0 20 8000'
ip link set "$nic" down
ip link set "$nic" up
wait_for 20 reaches "$NET_HOST"
check "N66 the program stays when the interface goes down and up" back_to tap0 20 from_host 20
check "N66 the program is detached" xdp detach "$nic"
check_not "N66 the interface shows none" sh -c "ip link show $nic | grep -q 'prog/xdp'"
check "N66 traffic after that" ping -c3 -i0.2 "$NET_HOST"
