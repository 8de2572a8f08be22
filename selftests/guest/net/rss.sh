#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Receive-side scaling: packets arrive on the queue that the table has for their hash.
#
# guest: {"vcpus":4,"net":[{"queues":4,"props":{"rss":"on"}}],"cmdline":"harness.rss"}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/rss.sh"
need_host
tap_plan 45

nic=$(nic_by_index 0)
pci=$(pci_of "$nic")

cleanup() {
	echo none >/sys/power/pm_test
	ethtool -X "$nic" default
	ethtool -L "$nic" combined 4
	for flow in tcp4 udp4 tcp6 udp6; do ethtool -N "$nic" rx-flow-hash $flow sdfn; done
}

# default_table PAIRS: whether the table names that many queues in turn.
default_table() {
	[ "$(ethtool -x "$nic" | awk '$1 ~ /^[0-9]+:$/ { for (i = 2; i <= NF; i++) print $i }' | md5sum)" = \
		"$(seq 0 127 | awk -v n="$1" '{ print $1 % n }' | md5sum)" ]
}

key() {
	ethtool -x "$nic" | grep -A1 'RSS hash key' | tail -n1
}

has_key() {
	[ "$(key)" = "$1" ]
}

# refuses_fields FLOW FIELDS: whether ethtool says so. Its status is 0 all the same.
refuses_fields() {
	ethtool -N "$nic" rx-flow-hash "$1" "$2" 2>&1 | grep -q 'Invalid argument'
}

hashes() {
	ethtool -n "$nic" rx-flow-hash "$1" | grep -c -E '(IP [SD]A|bytes [02] & [13])'
}

check "N81 RSS is negotiated" has_feature "$nic" 60
check "N81 traffic" nic_up "$nic" 0
check "N82 the table names all queues in turn" default_table 4
check "N82 the key has 40 bytes" sh -c "ethtool -x $nic | grep -A1 'RSS hash key' | tail -n1 | grep -qE '^([0-9a-f]{2}:){39}[0-9a-f]{2}$'"
check "N82 the function is Toeplitz" sh -c "ethtool -x $nic | grep -q 'toeplitz: on'"
check "N81 packets arrive on the queue of their hash" spreads_to "$nic" 0 1 2 3

check "N82 all packets to two queues" ethtool -X "$nic" equal 2
check "N81 they arrive there" spreads_to "$nic" 0 1
check "N82 weights" ethtool -X "$nic" weight 0 1 0 3
check "N81 packets arrive on the queues with weight" spreads_to "$nic" 1 3
check "N82 another key" ethtool -X "$nic" hkey "$(hkey 1)"
check "N82 the key is shown" has_key "$(hkey 1)"
check "N81 packets arrive as the new key says" spreads_to "$nic" 1 3
check_not "N82 a key that is too short is refused" ethtool -X "$nic" hkey 01:02:03
check_not "N82 another function is refused" ethtool -X "$nic" hfunc xor
check_not "N82 a queue that is not there is refused" ethtool -X "$nic" equal 5
check "N82 nothing of that changed the key" has_key "$(hkey 1)"
check_not "N82 too few pairs for the table are refused" ethtool -L "$nic" combined 2

check_eq "N84 addresses and ports at first" "$(hashes udp4)" 4
check "N84 addresses only" ethtool -N "$nic" rx-flow-hash udp4 sd
check_eq "N84 they are shown" "$(hashes udp4)" 2
queue=$(python3 ../lib/spread.py queue "$nic")
check "N84 packets of all ports arrive on one queue" arrives_on "$nic" "$queue" 20001 20002 20003 20004 20005 20006
check "N84 no hash" ethtool -N "$nic" rx-flow-hash udp4 r
check "N84 packets without a hash arrive on the first queue" arrives_on "$nic" 0 20001 20002 20003 20004 20005 20006
check "N84 the ports again" ethtool -N "$nic" rx-flow-hash udp4 sdfn
check "N84 packets arrive as the ports say" spreads_to "$nic" 1 3
check "N84 the sender alone is refused" refuses_fields udp4 s
check "N84 SCTP is refused" refuses_fields sctp4 sdfn

check "N45 a table for three pairs" ethtool -X "$nic" equal 3
check "N45 three pairs" ethtool -L "$nic" combined 3
check "N45 N81 the table of the user stays" spreads_to "$nic" 0 1 2
check "N45 four pairs" ethtool -L "$nic" combined 4
check "N45 N81 the table of the user still stays" spreads_to "$nic" 0 1 2
check "N82 the default table" ethtool -X "$nic" default
check "N45 two pairs" ethtool -L "$nic" combined 2
check "N45 N81 the table follows the number of pairs" default_table 2
check "N45 N81 packets arrive on both" spreads_to "$nic" 0 1
ethtool -L "$nic" combined 4

ethtool -X "$nic" weight 0 1 1 0
ethtool -N "$nic" rx-flow-hash tcp4 sd
shown=$(rss_shown "$nic")
check "N62 sleep" sh -c "echo devices >/sys/power/pm_test && echo mem >/sys/power/state"
wait_for 20 reaches "$NET_HOST"
check_eq "N62 N82 the settings are shown as before" "$(rss_shown "$nic")" "$shown"
check "N62 N81 packets arrive as before" spreads_to "$nic" 1 2
check "N62 a reset of the function" sh -c "echo flr >/sys/bus/pci/devices/$pci/reset_method && echo 1 >/sys/bus/pci/devices/$pci/reset"
wait_for 20 reaches "$NET_HOST"
check "N62 N81 packets arrive as before that" spreads_to "$nic" 1 2

check "N83 hashes go on" ethtool -K "$nic" rxhash on
check_eq "N83 they are on" "$(feature_of "$nic" receive-hashing)" on
check "N83 hashes go off" ethtool -K "$nic" rxhash off
