#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that a kernel without modules of ours is told apart where the drivers are enabled.

. "$(dirname "$0")/../lib/tap.sh"

rust-virtio status >/tmp/status 2>&1
diag "$(cat /tmp/status)"
rust-virtio doctor >/tmp/doctor 2>&1
diag "$(cat /tmp/doctor)"
check "status names the kernel that runs" grep -F "$(uname -r)" /tmp/status
check "doctor says that it boots on the C drivers" \
	sh -c 'grep -A2 -F "$(uname -r)" /tmp/doctor | grep "C drivers"'
