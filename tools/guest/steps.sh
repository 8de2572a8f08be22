# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Runs the steps of a job, one after the other, as lines of /run/harness/job/steps:
#
#	<name> <command line>
#
# Each step's output goes to the machine channel (fd 3) line by line, between "begin <name>" and
# "end <name> <status>"; the kernel log gets the same marks. Source it.

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
	echo "harness: begin $name" >/dev/kmsg
	echo "begin $name" >&3
	rm -f /run/harness/status
	# mark_output ends when the last writer has gone, so a step must not leave processes behind that
	# hold its output.
	{
		sh -c "$*" </dev/null
		echo $? >/run/harness/status
	} 2>&1 | mark_output >&3
	echo "harness: end $name" >/dev/kmsg
	echo "end $name $(cat /run/harness/status)" >&3
}

run_steps() {
	while read -r name command; do
		[ -n "$name" ] && run_step "$name" "$command"
	done </run/harness/job/steps
}
