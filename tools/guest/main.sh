#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the steps of a job (steps.sh) and switches the guest off.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
export LC_ALL=C HARNESS_HOST_FD=3
. /run/harness/env
cd /run/harness || exit 1
hostname harness 2>/dev/null

. /run/harness/steps.sh
run_steps

. /run/harness/checkers.sh
check_checkers
check_leaks

echo "done" >&3
sync
# Without the power-off of an init system: straight to the kernel.
if command -v busybox >/dev/null; then
	busybox "$HARNESS_OFF" -f
else
	echo o >/proc/sysrq-trigger
fi
sleep 60
