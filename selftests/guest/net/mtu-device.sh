#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The MTU that the device tells.
#
# guest: {"net":[{"mtu":1400,"props":{"host_mtu":1400}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 4

nic=$(nic_by_index 0)
check_eq "N30 the MTU is the device's" "$(cat "/sys/class/net/$nic/mtu")" 1400
check_not "N30 a larger one is refused" ip link set "$nic" mtu 1401
check "N30 traffic" nic_up "$nic" 0
check "N30 a file arrives" upload 4
