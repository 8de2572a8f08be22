#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Traffic, with data compared.
#
# rvt-guest: {"net":[{"props":{"ctrl_vq":"off","ctrl_rx":"off","ctrl_vlan":"off","ctrl_mac_addr":"off","ctrl_guest_offloads":"off","guest_announce":"off","mq":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan $NET_TRAFFIC

net_traffic "N39" "$(nic_by_index 0)"
