#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs the steps of a job in a Debian that has booted by itself, and switches it off in order.

# The leader of a session that opens a terminal gets it as its own, and what timeout(1) runs is then stopped
# as it reads from the channel. So another process opens it.
[ -n "${HARNESS_CHILD:-}" ] || {
	HARNESS_CHILD=1 sh "$0"
	exit
}

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=dumb
export LC_ALL=C DEBIAN_FRONTEND=noninteractive HARNESS_HOST_FD=3
. /run/harness/env
cd /run/harness || exit 1

# The machine channel: fd 3 in this process and in all its children.
stty -F /dev/ttyS1 raw -echo -echoe -echok
exec 3<>/dev/ttyS1
stty -F /dev/ttyS1 raw -echo

echo "hello $(cut -d' ' -f1 /proc/uptime)" >&3
echo "root $(findmnt -n -o SOURCE /)" >&3
# The word is for a test (stock-state.sh).
systemctl is-system-running --wait >/run/harness/running

. /run/harness/steps.sh
run_steps

echo "done" >&3
systemctl poweroff
