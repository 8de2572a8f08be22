#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Upgrades the package to a version that does not build, on a machine where the drivers are enabled.

. "$(dirname "$0")/../lib/tap.sh"

status() {
	dpkg-query -W -f '${db:Status-Abbrev}${Version}\n' rust-virtio-dkms
}

# half_way: the packages that dpkg has something to do with yet.
half_way() {
	dpkg-query -W -f '${db:Status-Status} ${Package}\n' | grep -v -E '^(installed|config-files|not-installed) '
}

modules() {
	lsinitramfs "/boot/initrd.img-$(uname -r)" >/tmp/initramfs
	sed -n 's,.*/\(\(rust_\)\{0\,1\}virtio_blk\)\.ko.*,\1,p' /tmp/initramfs | sort
}

before=$(status)
check "apt goes on" \
	sh -c 'apt-get install -y /run/harness/job/broken.deb >/tmp/upgrade 2>&1'
diag "$(tail -n 40 /tmp/upgrade)"
diag "$(status)"
check_not "another version is there" test "$(status)" = "$before"
check_eq "no package waits for its configuration" "$(half_way)" ""
check "a warning says that it was not built" grep '^rust-virtio: WARNING: modules were not built' /tmp/upgrade
check "the reason is told" grep '^rust-virtio: not built for .*on purpose' /tmp/upgrade
check_eq "the initramfs has the C driver only" "$(modules)" virtio_blk
check "the drivers stay enabled" test -e /etc/modprobe.d/rust-virtio-enabled.conf
