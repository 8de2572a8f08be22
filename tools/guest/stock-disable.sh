#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Disables the drivers in a Debian that runs on them.

. "$(dirname "$0")/../lib/tap.sh"

rust-virtio status >/tmp/status 2>&1
diag "$(cat /tmp/status)"
check "status names the drivers" \
	sh -c 'grep -q rust_virtio_blk /tmp/status && grep -q rust_virtio_net /tmp/status'
check "doctor finds nothing wrong" rust-virtio doctor
check "the drivers are disabled" rust-virtio disable
check_eq "the root disk stays with its driver" "$(driver_of "$(findmnt -n -o SOURCE / |
	sed 's,/dev/,,')")" rust_virtio_blk
