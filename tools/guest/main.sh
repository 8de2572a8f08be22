#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the steps of a job, one after the other, as lines of /run/rvt/job/steps:
#
#	<name> <command line>
#
# Each step's output goes to the machine channel (fd 3) line by line, between "begin <name>" and
# "end <name> <status>"; the kernel log gets the same marks.

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
export LC_ALL=C RVT_HOST_FD=3
. /run/rvt/env
cd /run/rvt || exit 1
hostname rvt 2>/dev/null

# Passes lines on as they come: GNU sed with -u, or busybox awk.
mark_output() {
	if sed -u p </dev/null >/dev/null 2>&1; then
		sed -u 's/^/out /'
	else
		awk '{ print "out " $0; fflush() }'
	fi
}

run_step() {
	name=$1
	shift
	echo "rvt: begin $name" >/dev/kmsg
	echo "begin $name" >&3
	rm -f /run/rvt/status
	# mark_output ends when the last writer has gone, so a step must not leave processes behind that
	# hold its output.
	{
		sh -c "$*" </dev/null
		echo $? >/run/rvt/status
	} 2>&1 | mark_output >&3
	echo "rvt: end $name" >/dev/kmsg
	echo "end $name $(cat /run/rvt/status)" >&3
}

while read -r name command; do
	[ -n "$name" ] && run_step "$name" "$command"
done </run/rvt/job/steps

. /run/rvt/checkers.sh
check_checkers
check_leaks

echo "done" >&3
sync
# Without the power-off of an init system: straight to the kernel.
if command -v busybox >/dev/null; then
	busybox "$RVT_OFF" -f
else
	echo o >/proc/sysrq-trigger
fi
sleep 60
