#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Says which driver the root disk of the guest has: "root <driver>".

. /run/rvt/selftests/lib/host.sh
. /run/rvt/selftests/lib/dev.sh

echo "root $(driver_of "$(disk_by_serial rvt-root)")"
