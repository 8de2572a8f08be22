#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests as net/like-c, with each feature masked in turn.
#
# config: VIRTIO_DEBUG
# guest: {"long":true,"family":"c","vcpus":2,"cmdline":"harness.like-c",
# guest: "net":[{"queues":2,"mtu":9000,"dhcp":false,
# guest: "props":{"rss":"on","hash":"on","host_mtu":9000,"speed":10000,"duplex":"full","failover":"on"}},
# guest: {"port":false,"dhcp":false,"props":{"disable-modern":"on","disable-legacy":"off"}}],
# guest: "allow":["probe with driver .*virtio_net failed with error -22","device advertises feature .* but not"]}

. "$(dirname "$0")/../lib/like-c.sh"
like_c all
