#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Traffic, with data compared, with devices that offer more or less. The arguments are the rows of docs/parity.md.
#
# case: default N12 N14 N22 {"net":[{}]}
# case: big N23 {"net":[{"props":{"mrg_rxbuf":"off"}}]}
# case: direct N12 {"net":[{"props":{"indirect_desc":"off"}}]}
# case: dma N20 {"net":[{"props":{"iommu_platform":"on"}}]}
# case: dma-packed N20 {"net":[{"props":{"iommu_platform":"on","packed":"on"}}]}
# case: legacy N7 {"net":[{"port":false,"props":{"disable-modern":"on","disable-legacy":"off"}}]}
# case: legacy-layout N7 N13 {"net":[{"port":false,"props":{"disable-modern":"on","disable-legacy":"off","any_layout":"off"}}]}
# case: legacy-layout-big N7 N23 {"net":[{"port":false,"props":{"disable-modern":"on","disable-legacy":"off","any_layout":"off","mrg_rxbuf":"off"}}]}
# case: legacy-small N7 N6 {"net":[{"port":false,"props":{"disable-modern":"on","disable-legacy":"off","mrg_rxbuf":"off","guest_tso4":"off","guest_tso6":"off","guest_ecn":"off","guest_ufo":"off"}}]}
# case: mq N44 {"vcpus":4,"net":[{"queues":4}]}
# case: nocsum N31 {"net":[{"props":{"csum":"off","guest_csum":"off"}}]}
# case: noctrl N39 {"net":[{"props":{"ctrl_vq":"off","ctrl_rx":"off","ctrl_vlan":"off","ctrl_mac_addr":"off","ctrl_guest_offloads":"off","guest_announce":"off","mq":"off"}}]}
# case: noevent N18 {"net":[{"props":{"event_idx":"off"}}]}
# case: noguest N36 {"net":[{"props":{"guest_tso4":"off","guest_tso6":"off","guest_ecn":"off","guest_ufo":"off"}}]}
# case: nohost N32 {"net":[{"props":{"host_tso4":"off","host_tso6":"off","host_ecn":"off","host_ufo":"off"}}]}
# case: packed N12 N22 {"net":[{"props":{"packed":"on"}}]}
# case: small N21 {"net":[{"props":{"mrg_rxbuf":"off","guest_tso4":"off","guest_tso6":"off","guest_ecn":"off","guest_ufo":"off"}}]}
# case: swiotlb N20 {"cmdline":"swiotlb=force","net":[{"props":{"iommu_platform":"on"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan $NET_TRAFFIC

net_traffic "$*" "$(nic_by_index 0)"
