#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The kernel's own tests of network drivers give with the Rust driver what they give with the C driver, or better.
# Two NICs are wired to each other, as in the tests of the kernel's network developers; see docs/upstream-tests.md.
#
# guest: {"long":true,"kernel":"debian","image":"upstream","family":"c","ring":"c","mem":"2G","modules":["virtio_net"],
# guest: "net":[{"queues":8,"dhcp":false,"mtu":9216,"props":{"rss":"on"}},
# guest: {"queues":8,"dhcp":false,"mtu":9216,"props":{"csum":"off","guest_csum":"off","guest_tso4":"off",
# guest: "guest_tso6":"off","guest_ecn":"off","guest_ufo":"off","guest_uso4":"off","guest_uso6":"off",
# guest: "host_tso4":"off","host_tso6":"off","host_ecn":"off","host_ufo":"off","host_uso":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/wire.sh"
need_host

# All that need one NIC and one other end. The names are those below tools/testing/selftests/drivers/net,
# and those of programs in tools/testing/selftests/bpf that are given devices.
tests="ping.py stats.py queues.py napi_id.py napi_threaded.py ring_reconfig.py xdp.py netpoll_basic.py so_txtime.py
	shaper.py hds.py gro.py psp.py macsec.py
	hw/csum.py hw/tso.py hw/uso.py hw/irq.py hw/pp_alloc_fail.py hw/nic_timestamp.py hw/xdp_metadata.py
	hw/xsk_reconfig.py hw/gro_hw.py hw/ntuple.py hw/toeplitz.py hw/rss_api.py hw/rss_drv.py hw/rss_ctx.py
	hw/rss_input_xfrm.py hw/rss_flow_label.py hw/ipsec_vxlan.py hw/nk_netns.py hw/nk_qlease.py
	hw/ethtool.sh hw/ethtool_extended_state.sh hw/ethtool_mm.sh hw/ethtool_rmon.sh hw/ethtool_std_stats.sh
	hw/loopback.sh virtio_net/basic_features.sh bpf/xdp_features bpf/xskxceiver"

near=$(virtio_of "$(nic_by_index 0)")
far=$(virtio_of "$(nic_by_index 1)")
wire_up 0 1 || skip_all "the host cannot wire two NICs: its kernel has no bridges"
modprobe rust_virtio_net || exit 1
mount -t configfs none /sys/kernel/config 2>/dev/null
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
mount -t cgroup2 none /sys/fs/cgroup 2>/dev/null
# shellcheck disable=SC2086 # several words
exec python3 ../lib/upstream.py "$near" "$far" unstable.txt ${HARNESS_ONLY:-$tests}
