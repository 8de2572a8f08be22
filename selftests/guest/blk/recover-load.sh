#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that a disk loses nothing under load, however often its queues break, it goes mute, needs a reset,
# its function is reset, it is unplugged, or memory fails. It takes an hour with a hundred rounds of each:
# ROUNDS=5 for a try.
#
# The root disk stays with the driver in C. fio verifies what it wrote, and a ledger is kept of what was
# flushed: of all the requests only flushes may fail, and only when the log says so.
#
# guest: {"long":true,"vcpus":4,"family":"c","modules":["rust_virtqueue"],
# guest:  "blk":[{"size":"128M","props":{"num-queues":4}}],
# guest:  "qemu":["-object","memory-backend-memfd,id=shared,size=1G,share=on",
# guest:  "-machine","memory-backend=shared"],
# guest:  "allow":["Buffer I/O error","I/O error, dev vd","started anew","given up"]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/rounds.sh"
. "$(dirname "$0")/../lib/load-blk.sh"
need_host

driver=rust_virtio_blk

# find_disk: says which disk it is now, and has it with the driver, impatient.
find_disk() {
	wait_for_device disk_by_serial blk0 || return 1
	give_to $driver "$(virtio_of "$(disk_by_serial blk0)")" && wait_for 20 disk_by_serial blk0 || return 1
	disk=$(disk_by_serial blk0)
	virtio=$(virtio_of "$disk")
	pci=$(pci_of "$disk")
	echo flr >"/sys/bus/pci/devices/$pci/reset_method"
	patient 2000 >"/sys/block/$disk/queue/io_timeout"
}

# breaks: the device answers a request that it never had. A device that cannot be started anew is given up.
breaks() {
	_before=$(told "a queue is broken: \(started anew\|given up\)")
	lies blk0 4 && wait_for 60 told_more "a queue is broken: \(started anew\|given up\)" "$_before"
}

# goes_mute: the device forgets what it has and answers nothing, until it was reset.
goes_mute() {
	_before=$(told "not answered: started anew")
	python3 ../lib/behind.py "$pci" forgets 4 &&
		wait_for 60 told_more "not answered: started anew" "$_before"
}

# needs_reset: the device says so.
needs_reset() {
	_before=$(told "needs a reset: started anew")
	python3 ../lib/behind.py "$pci" asks &&
		qmp_cmd block_resize '{"node-name":"blk0","size":134217728}' >/dev/null &&
		wait_for 60 told_more "needs a reset: started anew" "$_before"
}

# is_reset: the function is, after which nothing counts that was before.
is_reset() {
	within 60 sh -c "echo 1 >/sys/bus/pci/devices/$pci/reset"
}

disturb() {
	for _what in breaks goes_mute needs_reset is_reset; do
		echo "round $round: $_what" >/dev/kmsg
		$_what && goes_on "$disk" || {
			diag "$_what"
			return 1
		}
	done
}

# Devices that are given up in between would be brought back by the reset of the function.
no_giving_up() {
	[ "$(told "given up")" -eq 0 ]
}

# flushes_add_up: none failed that the log does not tell of.
flushes_add_up() {
	_told=$(sed -n "s/.*started anew, .* \([0-9]*\) failed/\1/p; s/.* again, \([0-9]*\) failed/\1/p" $ROUNDS_TMP/kmsg |
		awk '{ sum += $1 } END { print sum + 0 }')
	_failed=$(sed -n 's/.* unflushed \([0-9]*\) .*/\1/p' $ROUNDS_TMP/ledger.log)
	diag "$_failed flushes failed, $_told by the log"
	[ "$_failed" -le "$_told" ]
}

under_load() {
	rm -f $ROUNDS_TMP/stop
	verifies "$disk" >$ROUNDS_TMP/verifies.log 2>&1 &
	_fio=$!
	(keeps_ledger "$disk") >$ROUNDS_TMP/ledger.log 2>&1 &
	_ledger=$!
	goes_on "$disk"
	check "B38 B48 the disk goes on after each disturbance" rounds "$ROUNDS" disturb
	touch $ROUNDS_TMP/stop
	wait $_fio
	check_eq "B38 B48 fio finds what it wrote and no error" "$? $(cat $ROUNDS_TMP/verifies.log)" "0 "
	kill $_ledger
	wait $_ledger
	check_eq "B38 B48 no write fails" "$? $(sed 's/.* end //' $ROUNDS_TMP/ledger.log)" "0 asked for"
	check "B38 B48 the disk has all that was flushed" ledger_holds "$disk"
	check "B38 B48 no flush fails that is not told of" flushes_add_up
	check "B38 the device is never given up" no_giving_up
	diag "$(told "started anew") restarts; $(verified) MiB verified; $(cat $ROUNDS_TMP/ledger.log)"
}

# unplugged: the disk goes while it is written, comes back, and has what it owes.
unplugged() {
	(keeps_ledger "$disk") >$ROUNDS_TMP/ledger.log 2>&1 &
	_ledger=$!
	goes_on "$disk"
	sleep "0.$((round % 10))"
	unplug_device blk0 test ! -e "/sys/bus/virtio/devices/$virtio" || return 1
	wait $_ledger
	_status=$?
	cat $ROUNDS_TMP/ledger.log
	[ $_status -eq 3 ] || return 1
	# The slot is free some time after the driver has let the device go.
	wait_for_slot
	wait_for 30 qmp_cmd device_add "{\"driver\":\"virtio-blk-pci\",\"id\":\"blk0\",\"bus\":\"port-blk0\",\
		\"drive\":\"blk0\",\"serial\":\"blk0\",\"num-queues\":4}" || return 1
	find_disk && ledger_holds "$disk"
}

# starved: allocations of the driver fail, now and then, and a queue breaks. A device that cannot be started anew for
# that is given up, and comes back when its function is reset.
starved() {
	(keeps_ledger "$disk") >$ROUNDS_TMP/ledger.log 2>&1 &
	_ledger=$!
	goes_on "$disk"
	_gone=$(told "given up")
	memory_fails $driver $((1 + round % 20))
	breaks
	_status=$?
	memory_is_fine
	if told_more "given up" "$_gone"; then
		is_reset || return 1
	else
		goes_on "$disk" && is_reset || return 1
		kill $_ledger
	fi
	wait $_ledger
	_ended=$?
	cat $ROUNDS_TMP/ledger.log
	[ $_status -eq 0 ] || return 1
	[ $_ended -eq 0 ] || told_more "given up" "$_gone" || return 1
	ledger_holds "$disk"
}

modprobe $driver
find_disk
check_eq "the disk is on our driver" "$(driver_of "$disk")" $driver
# Whatever is allocated once is, after that.
verifies_once "$disk"
is_reset
free=$(memory_free)
under_load
check "B37 B38 an unplugged disk has all that was flushed" rounds "$ROUNDS" unplugged
find_disk
why=$(cannot_fail)
if [ -z "$why" ]; then
	check "the disk has all that was flushed though memory fails" rounds "$ROUNDS" starved
	diag "$(told "given up") times given up for want of memory"
else
	skip "the disk has all that was flushed though memory fails" "$why"
fi
check_eq "no request is left" "$(in_flight "$disk")" 0
lost=$((free - $(memory_free)))
diag "$lost kB are gone of $free"
check "no memory is lost" test $lost -lt 16384
give_to virtio_blk "$virtio"
check "the module can be unloaded" rmmod $driver
check "and loaded again" modprobe $driver

cleanup() {
	memory_is_fine 2>/dev/null
	rounds_end
}
