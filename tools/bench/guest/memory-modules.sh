#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# memory-modules.sh MODULE...: prints how many bytes each loaded module takes.

. /run/harness/job/devices.sh

found=
for module in "$@"; do
	size=$(cat "/sys/module/$module/coresize") || fail "$module is not loaded"
	found="$found,\"$module\":$size"
done
echo "sample {${found#,}}"
