#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A network interface on the C driver.
#
# guest: front.json
# transports: pci legacy mmio

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host

tap_plan $((NET_TRAFFIC + 1))

nic=$(nic_by_index 0)
check_eq "the interface is on the C driver" "$(driver_of "$nic")" virtio_net
net_traffic virtio_net "$nic"
