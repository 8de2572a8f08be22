# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Two NICs of one guest that are joined by a cable: the far one is in a network namespace of its own, so
# that packets between the two go over the cable. Source it after tap.sh.

CABLE_NEAR=198.18.77.1
CABLE_FAR=198.18.77.2
CABLE_TMP=/tmp/cable
mkdir -p $CABLE_TMP

# there COMMAND...: runs it at the far end.
there() {
	ip netns exec far "$@"
}

# cable_up NEAR FAR: gives both interfaces their addresses, and waits for the far end to answer.
cable_up() {
	ip netns add far && ip link set "$2" netns far &&
		ip addr add $CABLE_NEAR/24 dev "$1" && ip link set "$1" up &&
		there ip addr add $CABLE_FAR/24 dev "$2" && there ip link set "$2" up &&
		wait_for 30 reaches $CABLE_FAR
}

# cable_down: takes the namespace away; a device in it comes back or goes with it.
cable_down() {
	ip netns del far 2>/dev/null
	rm -f $CABLE_TMP/*
}

# send_file MEGABYTES: a file goes over the cable and is compared.
send_file() {
	rm -f $CABLE_TMP/in
	head -c "$1M" /dev/urandom >$CABLE_TMP/out || return 1
	there timeout "$(patient 100)" socat -u TCP-LISTEN:5003,reuseaddr OPEN:$CABLE_TMP/in,creat,trunc &
	_pid=$!
	wait_for 20 far_listens || return 1
	within 100 socat -u OPEN:$CABLE_TMP/out TCP:$CABLE_FAR:5003 || return 1
	wait $_pid || return 1
	[ "$(sha256sum <$CABLE_TMP/in)" = "$(sha256sum <$CABLE_TMP/out)" ]
}

far_listens() {
	there ss -ltn | grep -q ":5003 "
}
