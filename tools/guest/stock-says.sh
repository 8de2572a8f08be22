#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that a machine that is meant to be on the Rust drivers and is not says so.

. "$(dirname "$0")/../lib/tap.sh"

# says FILE TEXT: whether a text about each kind of device is in a file. The kernel has messages of its own
# about modules that it refuses.
says() {
	for _k in blk net; do
		grep "$2virtio_$_k instead of rust_virtio_$_k: ." "$1" || { echo "nothing of $_k:"; cat "$1"; return 1; }
	done
}

journalctl -b -o cat --no-pager | grep -v '^harness: ' | grep -i 'rust.virtio' >/tmp/log
rust-virtio status >/tmp/status 2>&1
rust-virtio doctor >/tmp/doctor 2>&1
found=$?
for file in status doctor log; do
	diag "$(cat /tmp/$file)"
done
check_eq "doctor finds something wrong" "$found" 3
check "and what" says /tmp/doctor '^PROBLEM  at this boot '
check "status gives the reason" says /tmp/status '^At this boot '
check "the log of the boot gives it" says /tmp/log '^\(rust-virtio: \)\{0,1\}'
