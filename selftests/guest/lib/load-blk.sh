# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What goes on on a disk while it is disturbed, and what it has to show for it. Source it after rounds.sh. The
# first 64 MiB are fio's, and the next 16 the ledger's.

LOAD_BLOCK=$((64 << 8))
LOAD_BLOCKS=$((16 << 8))

# verifies_once DISK: fio writes and verifies, in depth and in various sizes. Adds what was verified to the file
# `verified`, in bytes.
verifies_once() {
	fio --filename="/dev/$1" --allow_file_create=0 --direct=1 --ioengine=libaio --verify=crc32c --verify_fatal=1 \
		--randrepeat=0 --output-format=json --output="$ROUNDS_TMP"/fio.json \
		--name=small --rw=randwrite --bs=4k --iodepth=32 --iodepth_batch=16 --size=16m --verify_backlog=512 \
		--name=large --rw=write --bsrange=16k-256k --blockalign=4k --iodepth=8 --offset=16m --size=32m \
		--name=mixed --rw=randrw --bs=4k --iodepth=16 --offset=48m --size=16m >"$ROUNDS_TMP"/fio.log 2>&1 || {
		echo "fio failed"
		cat "$ROUNDS_TMP"/fio.log
		jq -c '.jobs[] | [.jobname, .error]' "$ROUNDS_TMP"/fio.json
		return 1
	}
	jq '[.jobs[].read.io_bytes] | add' "$ROUNDS_TMP"/fio.json >>"$ROUNDS_TMP"/verified
}

# verifies DISK: does so until the file `stop` is there or something is wrong.
verifies() {
	while [ ! -e "$ROUNDS_TMP"/stop ]; do
		verifies_once "$1" || return 1
	done
}

# verified: prints how many mebibytes were.
verified() {
	awk '{ sum += $1 } END { printf "%d\n", sum / 1048576 }' "$ROUNDS_TMP"/verified
}

# keeps_ledger DISK: writes and flushes until it is told to stop, or a write fails.
keeps_ledger() {
	exec python3 "$(dirname "$0")/../lib/ledger.py" write "/dev/$1" $LOAD_BLOCK $LOAD_BLOCKS "$ROUNDS_TMP"/ledger
}

# ledger_holds DISK: whether the disk has what it owes.
ledger_holds() {
	python3 "$(dirname "$0")/../lib/ledger.py" check "/dev/$1" "$ROUNDS_TMP"/ledger
}

# done_by DISK: prints how many reads and writes have been done.
done_by() {
	awk '{ print $1 + $5 }' "/sys/block/$1/stat"
}

has_done_more() {
	[ "$(done_by "$1")" -gt "$2" ]
}

# goes_on DISK: waits until it does something.
goes_on() {
	wait_for 60 has_done_more "$1" "$(done_by "$1")"
}

# in_flight DISK: prints how many requests are.
in_flight() {
	awk '{ print $1 + $2 }' "/sys/block/$1/inflight"
}
