# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Receive-side scaling of NIC 0. Source it after net.sh.

# hkey BYTE: prints a hash key of 40 bytes that begins with a byte and is otherwise fixed.
hkey() {
	printf '%02x' "$1"
	for _i in $(seq 39); do printf ':%02x' $((_i * 37 % 256)); done
}

# rss_shown INTERFACE: prints what ethtool shows of table, key, function and hashed fields.
rss_shown() {
	ethtool -x "$1"
	for _flow in tcp4 udp4 tcp6 udp6; do ethtool -n "$1" rx-flow-hash "$_flow"; done
	ethtool -k "$1" | grep receive-hashing
}

# rx_packets INTERFACE QUEUE: prints how many packets a queue has received.
rx_packets() {
	python3 "$(dirname "$0")/../lib/netdev.py" qstats-queue "$1" |
		jq "select(.type == 0 and .id == $2) | .[\"rx-packets\"]"
}

rx_packets_of_all() {
	python3 "$(dirname "$0")/../lib/netdev.py" qstats-queue "$1" |
		jq -s 'map(select(.type == 0) | .["rx-packets"]) | add'
}

has_received() {
	[ "$(rx_packets "$1" "$2")" -ge "$3" ]
}

# send_from PORT...: has the host send 50 small datagrams from each port.
send_from() {
	_say="import socket, sys; ports = [int(port) for port in sys.argv[1:]]"
	_say="$_say; socks = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in ports]"
	_say="$_say; [s.bind((\"$NET_HOST\", port)) for s, port in zip(socks, ports)]"
	_say="$_say; [s.sendto(b\"spread\", (\"$NET_GUEST\", 9)) for s in socks for _ in range(50)]"
	host sh "python3 -c '$_say' $*"
}

# arrives_on INTERFACE QUEUE PORT...: whether packets from these ports arrive on that queue, and hardly any
# packet on another one.
arrives_on() {
	_nic=$1 _queue=$2
	shift 2
	_sent=$((50 * $#))
	_own=$(rx_packets "$_nic" "$_queue")
	_all=$(rx_packets_of_all "$_nic")
	send_from "$@" || return 1
	wait_for 20 has_received "$_nic" "$_queue" $((_own + _sent))
	_own=$(($(rx_packets "$_nic" "$_queue") - _own))
	_all=$(($(rx_packets_of_all "$_nic") - _all))
	diag "$_own of $_all packets arrived on queue $_queue, $_sent were sent"
	[ "$_own" -ge "$_sent" ] && [ $((_all - _own)) -lt $((_sent / 4)) ]
}

# spreads_to INTERFACE QUEUE...: whether packets arrive on exactly the queues that the table of ethtool gives
# them, and these are the ones named.
spreads_to() {
	_of=$1
	shift
	[ "$(python3 "$(dirname "$0")/../lib/spread.py" table "$_of")" = "$*" ] || return 1
	for _to; do
		# shellcheck disable=SC2046 # one argument for each port
		arrives_on "$_of" "$_to" $(python3 "$(dirname "$0")/../lib/spread.py" ports "$_of" "$_to" 8) || return 1
	done
}
