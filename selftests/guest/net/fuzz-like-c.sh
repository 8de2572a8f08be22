#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Requests by netlink, at random but the same in each run, get of a NIC with the Rust driver what they get of a NIC with
# the C driver. The requests are made from the kernel's specifications: all that are about ethtool and links, under
# traffic. ONLY="4 5" has other seeds than 1 to 3, and ROUNDS=100 so many requests with each.
#
# guest: {"long":true,"family":"c","vcpus":2,"cmdline":"harness.fuzz",
# guest: "net":[{"queues":4,"mtu":9000,"dhcp":false,"props":{"rss":"on"}},
# guest: {"queues":4,"mtu":9000,"dhcp":false,"props":{"rss":"on"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host

one=$(virtio_of "$(nic_by_index 0)")
other=$(virtio_of "$(nic_by_index 1)")
modprobe rust_virtio_net || exit 1
give_to virtio_net "$one" && give_to rust_virtio_net "$other" || exit 1
nic_c=$(nic_by_index 0)
nic_rust=$(nic_by_index 1)
nic_up "$nic_c" 0 && nic_up "$nic_rust" 1 || exit 1
for conf in default all "$nic_c" "$nic_rust"; do echo 1 >/proc/sys/net/ipv6/conf/"$conf"/disable_ipv6; done
host sh 'for n in tap0 tap1; do echo 1 >/proc/sys/net/ipv6/conf/$n/disable_ipv6; done'
# The kernel's library for netlink comes from the host.
why=$(host run packed 2>&1) || skip_all "$why"
mkdir -p /run/harness/ynl
within 120 socat -u TCP4-LISTEN:5002,reuseaddr OPEN:/run/harness/ynl.zip,creat,trunc &
wait_for 20 sh -c 'ss -ltn | grep -q :5002' && host sh 'socat -u OPEN:ynl.zip TCP:192.0.2.2:5002' && wait $! &&
	python3 -m zipfile -e /run/harness/ynl.zip /run/harness/ynl || exit 1
for port in 5201 5202; do host bg "exec iperf3 -s -p $port" >/dev/null; done
PYTHONPATH=/run/harness/ynl python3 ../lib/fuzz_like_c.py "$nic_c" "$nic_rust" fuzz-allowed.txt "${HARNESS_ONLY:-1 2 3}" "${HARNESS_ROUNDS:-600}"
status=$?
# Python has printed the results.
trap - EXIT
exit $status
