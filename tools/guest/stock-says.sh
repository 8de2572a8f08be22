#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that a machine that is meant to be on the Rust drivers and is not says so.

. "$(dirname "$0")/../lib/tap.sh"

said() {
	journalctl -b -o cat --no-pager | grep -i 'rust.virtio' | grep -v '^rvt: '
}

diag "$(rust-virtio status 2>&1)"
diag "$(rust-virtio doctor 2>&1)"
diag "$(said)"
check_not "doctor finds something wrong" rust-virtio doctor
check "the log of the boot says so" said
