#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Says which driver the root disk of the guest has: "root <driver>".

. /run/harness/selftests/lib/host.sh
. /run/harness/selftests/lib/dev.sh

echo "root $(driver_of "$(disk_by_serial harness-root)")"
