# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# A wire between two NICs: what one sends the other receives. Source it after tap.sh.

# wire_up N M: joins the TAP devices of NIC N and NIC M on the host, in the network namespace of this
# guest. They are ports of a bridge that learns no address and has no multicast groups: every frame is passed on.
wire_up() {
	_join="ip addr flush dev tap$1; ip link set tap$1 master wire$1 && bridge link set dev tap$1 learning off"
	host sh "ip link add wire$1 type bridge mcast_snooping 0 forward_delay 0 && $_join" &&
		host sh "$(echo "$_join" | sed "s/tap$1/tap$2/g")" &&
		host sh "for n in tap$1 tap$2 wire$1; do echo 1 >/proc/sys/net/ipv6/conf/\$n/disable_ipv6; done" &&
		host sh "ip link set wire$1 up"
}
