#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# demo-turn.sh NUMBER disk DRIVER DEPTH: random I/O of 4 KiB, half a second of reads and as much of writes
# demo-turn.sh NUMBER net DRIVER out|in: one TCP connection to or from the host, a second of it
#
# Gives the second disk or the NIC to a driver, works, and prints for the host what was done: rates, the
# operations, the megabytes, and the interrupts. The host counts kicks between the marks.

# shellcheck source=../bench/guest/devices.sh
. /run/harness/job/devices.sh

number=$1 kind=$2 driver=$3
shift 3

mark() {
	host run mark "$number $1" >/dev/null
}

# number_of FIELD FILE: prints a number from what iperf3 says of the received data.
number_of() {
	awk -F'[:,]' -v name="\"$1\"" '/"sum_received"/ { on = 1 }
		on && index($1, name) { print $2 + 0; exit }' "$2"
}

# One fio for both, as it takes longer to start than to do its work where the processor is emulated.
work_disk() {
	fio --filename="/dev/$dev" --direct=1 --ioengine=libaio --bs=4k --iodepth="$1" --norandommap \
		--time_based --runtime=500ms --output-format=terse --terse-version=3 \
		--output=/tmp/fio.out --name=read --rw=randread --name=write --rw=randwrite --stonewall \
		>/tmp/fio.err 2>&1 || fail "fio: $(tail -n 3 /tmp/fio.err | tr '\n' ' ')"
}

sample_disk() {
	# Fields of fio's terse output: 3 name, 5 error; 6 and 8 KiB and operations per second read, 47 and
	# 49 written.
	awk -F';' -v irqs="$1" '
		$3 == "read" && $5 == 0 && $8 > 0 { read = $8; kib += $6 }
		$3 == "write" && $5 == 0 && $49 > 0 { write = $49; kib += $47 }
		END {
			if (!read || !write) exit 1
			printf "sample {\"read\":%s,\"write\":%s,\"ops\":%d,\"mb\":%f,\"irqs\":%d}\n",
				read, write, kib / 4, kib * 1024 / 1e6, irqs
		}' /tmp/fio.out || fail "fio reported an error: $(cut -c1-80 /tmp/fio.out | tr '\n' ' ')"
}

work_net() {
	reverse=
	[ "$1" = in ] && reverse=-R
	timeout 60 iperf3 -J -c "$net.1" -p 5201 -t 1 $reverse >/tmp/iperf.json ||
		fail "iperf3: $(jq -r '.error // "failed"' /tmp/iperf.json)"
}

sample_net() {
	rate=$(number_of bits_per_second /tmp/iperf.json) bytes=$(number_of bytes /tmp/iperf.json)
	[ "${bytes:-0}" != 0 ] || fail "iperf3 moved nothing"
	awk -v rate="$rate" -v bytes="$bytes" -v irqs="$1" 'BEGIN {
		printf "sample {\"rate\":%f,\"mb\":%f,\"irqs\":%d}\n", rate / 1e6, bytes / 1e6, irqs
	}'
}

mark give
case $kind in
disk)
	give_disk blk0 "$driver"
	dev=$disk
	;;
net)
	give_nic net0 "$driver"
	dev=$nic
	;;
esac
before=$(irqs_of "$dev")
mark begin
"work_$kind" "$@"
mark end
"sample_$kind" $(($(irqs_of "$dev") - before))
