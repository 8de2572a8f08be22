#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Upgrades the package to a version that does not build, on a machine where the drivers are enabled.

. "$(dirname "$0")/../lib/tap.sh"

status() {
	dpkg-query -W -f '${db:Status-Abbrev}${Version}\n' rust-virtio-dkms
}

before=$(status)
apt-get install -y --no-download /run/rvt/job/broken.deb >/tmp/upgrade 2>&1
diag "apt ended with status $?"
diag "$(tail -n 40 /tmp/upgrade)"
diag "$(status)"
check_not "another version is there" test "$(status)" = "$before"
check "no package is half-way" sh -c '! dpkg --audit | grep .'
check "the failed build is told of" grep -iE 'bad exit status|fail' /tmp/upgrade
