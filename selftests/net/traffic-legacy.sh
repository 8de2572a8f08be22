#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Traffic, with data compared.
#
# rvt-guest: {"net":[{"port":false,"props":{"disable-modern":"on","disable-legacy":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan $NET_TRAFFIC

net_traffic "N7" "$(nic_by_index 0)"
