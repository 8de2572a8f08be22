#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# prepare.sh MODULE...: notes which device is which and loads the drivers of all stacks. Devices are with
# the C drivers by now; those under test end up with none.

. /run/harness/job/devices.sh

# What has no driver is given to one by hand, not to the next that is loaded.
echo 0 >/sys/bus/virtio/drivers_autoprobe
note_devices
for m in "$@"; do
	modprobe "$m" || fail "modprobe $m failed"
done
