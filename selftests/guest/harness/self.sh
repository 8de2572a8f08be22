#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests the harness itself: the channel to the host, and that a guest is as it was described.
#
# guest: {"family":"none","root":"initramfs"}

. "$(dirname "$0")/../lib/tap.sh"
need_host
tap_plan 6

check "the kernel is Linux" test "$(uname -s)" = Linux
check_eq "the host runs a command" "$(host sh 'echo a; printf "%s" "b\c"')" "$(printf '%s\n' a 'b\c')"
check_not "the host returns the status of a command" host sh 'exit 3'
check_eq "the host carries out a monitor command" \
	"$(qmp_cmd query-status | sed 's/.*"status": "\([a-z]*\)".*/\1/')" running
check_not "the host refuses an unknown monitor command" qmp_cmd no-such-command
check_eq "the guest has the processors asked for" "$(grep -c ^processor /proc/cpuinfo)" 2
