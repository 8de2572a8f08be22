#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The process behind the NIC stands still for so long that the watchdog finds the transmit queue stuck several times,
# and goes on. Traffic goes on by itself, with interrupts of transmit queues and without.
#
# QEMU connects to the process, since it waits for its writes on a connection that it has accepted.
#
# guest: {"net":[{"netdev":"stream,reconnect-ms=200,addr.type=unix,addr.path=wire.sock"}],
# guest:  "allow":["NETDEV WATCHDOG"]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 13

nic=$(nic_by_index 0)
flood=/run/harness/flood.pid

# flood_ends: ends what stands_still has begun.
flood_ends() {
	[ ! -e $flood ] || kill "$(cat $flood)"
	rm -f $flood
}

cleanup() {
	host run cont
	flood_ends
	ip link set "$nic" down
	ethtool -C "$nic" tx-frames 1
	ip link set "$nic" up
}

# timeouts: prints how often the watchdog has found the transmit queue stuck.
timeouts() {
	cat "/sys/class/net/$nic/queues/tx-0/tx_timeout"
}

found_stuck() {
	[ "$(timeouts)" -ge "$1" ]
}

# is_anew: whether the Rust driver has started the device anew, which the C driver does not do.
is_anew() {
	[ "$HARNESS_FAMILY" != rust ] || kmsg_since | grep -q "the device sends no packet: started anew"
}

# stands_still: the watchdog finds the queue stuck three times.
stands_still() {
	_before=$(timeouts)
	kmsg_mark
	host run stop
	ping -q -f -s 1400 "$NET_HOST" >/dev/null 2>&1 &
	echo $! >$flood
	wait_for 100 found_stuck $((_before + 3)) && wait_for 20 is_anew
	_result=$?
	host run cont
	return $_result
}

answers() {
	reaches "$NET_HOST"
}

# stuck_and_on ROWS NAME: what must be true when the process stands still and goes on.
stuck_and_on() {
	check "$1 $2: the watchdog finds the queue stuck" stands_still
	check "$1 $2: packets are answered again" wait_for 60 answers
	flood_ends
	check "$1 $2: a file arrives at the host" upload 4
	check "$1 $2: a file arrives from the host" download 4
}

check "the other end starts" host run start || exit 1
check "the other end has the wire" wait_for 20 host sh "ip link show wire0" || exit 1
check "the other end has addresses" host sh \
	"ip addr add $NET_HOST/24 dev wire0 && ip -6 addr add $NET_HOST6/64 dev wire0 nodad && ip link set wire0 up" ||
	exit 1
check "the interface comes up" nic_up "$nic" 0 || exit 1
stuck_and_on N57 "TX NAPI"
ip link set "$nic" down
check "TX NAPI is off" ethtool -C "$nic" tx-frames 0
nic_up "$nic" 0
stuck_and_on N57 "no TX NAPI"
