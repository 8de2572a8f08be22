#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# stock-purge.sh: takes the package off a machine, with its configuration.

. "$(dirname "$0")/../lib/tap.sh"

# Prints what is left of the package.
remains() {
	find /etc /usr/src /usr/lib/modules /var/lib /var/cache /boot -xdev -iname '*rust*virt*' \
		-not -path '/var/lib/apt/*' -not -path '/var/lib/dpkg/*' -not -path '/var/cache/apt/*'
	grep -r -l -i rust.virtio /etc 2>/dev/null
	# A blacklist of modules that are not there is in each initramfs that was made before.
	lsinitramfs "/boot/initrd.img-$(uname -r)" | grep -i 'rust.virt' | grep -v /modprobe.d/rust-virtio-dkms.conf
}

nothing() {
	! "$@" | grep .
}

check "the package is purged" apt-get purge -y rust-virtio-dkms
check "nothing of it is left" nothing remains
