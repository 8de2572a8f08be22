#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# First process of a User-mode Linux guest, whose root is the host's file system, read-only. Takes
# command lines from /dev/tty1 and answers each with its output, "out <text>", and "end <status>".
#
#	read <file>	is done without a new process, to disturb what is measured as little as can be
#	exit		ends the guest

mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs run /run
mount -t debugfs debugfs /sys/kernel/debug
mkdir -p /dev/shm /run/harness
mount -t tmpfs shm /dev/shm
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TMPDIR=/run
export LC_ALL=C TERM=dumb
cd /run/harness || exit 1

exec 3<>/dev/tty1
stty raw -echo <&3

# read_out FILE: answers with the lines of a file.
read_out() {
	[ -r "$1" ] || return 1
	while read -r line || [ -n "$line" ]; do
		echo "out $line"
	done <"$1" >&3
}

run_out() {
	sh -c "$1" </dev/null >output 2>&1
	set -- $?
	awk '{ print "out " $0 }' output >&3
	return "$1"
}

echo "hello" >&3
while read -r command <&3; do
	case $command in
	exit) break ;;
	"read "*) read_out "${command#read }" ;;
	*) run_out "$command" ;;
	esac
	echo "end $?" >&3
done
exec busybox poweroff -f
