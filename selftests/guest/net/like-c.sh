#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The user sees of a NIC with the Rust driver what is seen with the C driver, whichever features the device has. The
# NIC is bound to both drivers in turn, with features masked.
#
# config: VIRTIO_DEBUG
# guest: {"family":"c","vcpus":2,"cmdline":"harness.like-c",
# guest: "net":[{"queues":2,"mtu":9000,"dhcp":false,
# guest: "props":{"rss":"on","hash":"on","host_mtu":9000,"speed":10000,"duplex":"full","failover":"on"}},
# guest: {"port":false,"dhcp":false,"props":{"disable-modern":"on","disable-legacy":"off"}}],
# guest: "allow":["probe with driver .*virtio_net failed with error -22","device advertises feature .* but not"]}

. "$(dirname "$0")/../lib/like-c.sh"
like_c some
