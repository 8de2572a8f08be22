#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A guest whose disk is written moves from one QEMU to another. No request is lost or fails, and the data is as it was
# written.
#
# guest: {"long":true,"vcpus":2,"mem":"512M","cmdline":"harness.migrate","blk":[{"size":"128M","props":{"num-queues":2}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rounds.sh"
. "$(dirname "$0")/../lib/load-blk.sh"
need_host
tap_plan 6

disk=$(disk_by_serial blk0)

# moves: the guest goes on in another QEMU, and the disk does something.
moves() {
	host run move && goes_on "$disk"
}

turns_back() {
	host run turn_back && goes_on "$disk"
}

cleanup() {
	rounds_end
}

verifies "$disk" >$ROUNDS_TMP/verifies.log 2>&1 &
fio=$!
(keeps_ledger "$disk") >$ROUNDS_TMP/ledger.log 2>&1 &
ledger=$!
goes_on "$disk"
check "the disk goes on though the guest moves again and again" rounds 4 moves
check "the disk goes on though a move is cancelled" turns_back
touch $ROUNDS_TMP/stop
wait $fio
check_eq "fio finds what it wrote and no error" "$? $(cat $ROUNDS_TMP/verifies.log)" "0 "
kill $ledger
wait $ledger
check_eq "no write and no flush fails" "$? $(sed 's/.* end //' $ROUNDS_TMP/ledger.log)" "0 asked for"
check "the disk has all that was flushed" ledger_holds "$disk"
check_eq "no request is left" "$(in_flight "$disk")" 0
diag "$(verified) MiB verified; $(cat $ROUNDS_TMP/ledger.log)"
