#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# stock-install.sh DEB: installs a package from a local file as its README says, in a Debian root on the
# host.

set -e
deb=$1

# Nobody needs this file system after a crash of the host.
install() {
	apt-get install -y -o Dpkg::Options::=--force-unsafe-io "$@"
}

# The metadata of the kernel's Rust crates takes minutes to make, and is the same each time. The package
# looks whether it fits.
kept=/var/cache/rust-virtio
[ -z "$(ls /harness-kept)" ] || { mkdir -p $kept; cp -a /harness-kept/. $kept/; }

apt-get update
install --no-install-recommends -t "$HARNESS_SUITE-backports" linux-headers-amd64 linux-source
install "$deb"
rm -rf /harness-kept/*
[ ! -d $kept ] || cp -a $kept/. /harness-kept/
