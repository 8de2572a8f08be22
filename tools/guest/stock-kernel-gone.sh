#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Takes the kernel that the drivers are for off a machine where they are enabled, and that runs on another
# one.

. "$(dirname "$0")/../lib/tap.sh"

newest=$(cd /boot && for kernel in vmlinuz-*; do echo "${kernel#vmlinuz-}"; done | sort -V | tail -n 1)
packages() {
	dpkg-query -W -f '${Package}\n' "linux-*-$newest"
}

check_not "another kernel runs" test "$newest" = "$(uname -r)"
check "the kernel is purged" sh -c "apt-get purge -y $(packages | tr '\n' ' ')"
check "no module of its is left" test ! -e "/lib/modules/$newest/updates/dkms"
check "the package is whole" sh -c 'dpkg -s rust-virtio-dkms | grep -q "^Status: install ok installed"'
check "status can be shown" rust-virtio status
diag "$(rust-virtio status 2>&1)"
