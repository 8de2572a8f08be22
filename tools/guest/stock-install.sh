#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# stock-install.sh DEB: installs a package from a local file as its README says, in a Debian root on the
# host.

set -e
deb=$1

# As on a machine that is kept up to date.
apt-get update
apt-get install -y --no-install-recommends -t "$RVT_SUITE-backports" linux-headers-amd64 linux-source
apt-get install -y -t "$RVT_SUITE-backports" "$deb"
