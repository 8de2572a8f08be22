#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# throughput-blk.sh DISK DRIVER RW BS DEPTH QUEUES SECONDS: runs fio against a disk, with one job for
# each queue, and prints what it did in a second and how long an operation took.

# shellcheck source=devices.sh
. /run/harness/job/devices.sh
need fio jq

name=$1 driver=$2 rw=$3 bs=$4 depth=$5 queues=$6 seconds=$7

give_disk "$name" "$driver"
found=$(ls "/sys/block/$disk/mq" | wc -l)
[ "$found" = "$queues" ] || fail "$driver has $found queues on $name, not $queues"

# With several queues each has a job of its own, on the first of its processors.
cpus=
if [ "$queues" -gt 1 ]; then
	for q in "/sys/block/$disk/mq"/*; do
		cpus=$cpus,$(cut -d, -f1 "$q/cpu_list")
	done
	cpus="--cpus_allowed=${cpus#,} --cpus_allowed_policy=split"
fi

# shellcheck disable=SC2086 # $cpus is options
fio --name=bench --filename="/dev/$disk" --direct=1 --ioengine=libaio --rw="$rw" --bs="$bs" \
	--iodepth="$depth" --numjobs="$queues" --group_reporting $cpus --randrepeat=1 --norandommap \
	--time_based --ramp_time=250ms --runtime="$seconds" --lat_percentiles=1 --output-format=json+ \
	--output=/tmp/fio.json >/tmp/fio.out 2>&1 || fail "fio: $(tail -n 3 /tmp/fio.out | tr '\n' ' ')"

# The distribution is of use where operations do not queue behind one another.
jq -c --argjson depth "$depth" '.jobs[0] | if .error != 0 then error("fio: error") else
	if .read.total_ios > 0 then .read else .write end end |
	{iops: .iops, mb_s: (.bw_bytes / 1e6), p50: (.lat_ns.percentile["50.000000"] / 1e3),
	p99: (.lat_ns.percentile["99.000000"] / 1e3)} +
	(if $depth == 1 then {bins: .lat_ns.bins} else {} end)' /tmp/fio.json >/tmp/sample ||
	fail "fio reported an error: $(tail -n 3 /tmp/fio.out | tr '\n' ' ')"
echo "sample $(cat /tmp/sample)"
