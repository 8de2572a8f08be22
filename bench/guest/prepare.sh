#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# prepare.sh MODULE...: loads the drivers of all stacks and notes which device is which. Devices are
# with the C drivers by now, so that loading others takes none away.

. /run/rvt/job/devices.sh

note_devices
for m in "$@"; do
	modprobe "$m" || fail "modprobe $m failed"
done
