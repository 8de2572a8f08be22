#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Traffic, with data compared.
#
# rvt-guest: {"net":[{"props":{"guest_tso4":"off","guest_tso6":"off","guest_ecn":"off","guest_ufo":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan $NET_TRAFFIC

net_traffic "N36" "$(nic_by_index 0)"
