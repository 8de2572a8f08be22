#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Prints what a buffer of so many segments costs the driver's side of the ring,
# in instructions to add, kick and get it, as a chain in the ring and with an
# indirect table: by this the default of IndirectRule was chosen.
#
#	tools/bench/host/segments.sh [SEGMENTS...]
#
# Needs cargo and valgrind. Progress and errors go to stderr.

set -eu

cd "$(dirname "$0")"
target=${CARGO_TARGET_DIR:-../../../out/bench-host}
export CARGO_TARGET_DIR="$target"
cargo build --release --locked --quiet --bin segments
log=$(mktemp)
trap 'rm -f "$log"' EXIT

# instructions LAYOUT HOW SEGMENTS TIMES
instructions()
{
	valgrind --tool=callgrind --callgrind-out-file=/dev/null \
		--log-file="$log" --toggle-collect=bench_device_step \
		--collect-atstart=yes "$target/release/segments" "$@" || {
		cat "$log" >&2
		exit 1
	}
	sed -n 's/.*Collected *: *//p' "$log"
}

# Set-up is the same however often the work is done.
cost()
{
	few=$(instructions "$@" 200)
	many=$(instructions "$@" 400)
	echo $(((many - few + 100) / 200))
}

[ $# -gt 0 ] || set -- 2 3 4 6 8 12 16
echo "| segments | split: chain | table | in order: chain | table | packed: chain | table | in order: chain | table |"
echo "|---|---|---|---|---|---|---|---|---|"
for segments; do
	row="| $segments |"
	for layout in split split-in-order packed packed-in-order; do
		echo "segments.sh: $segments, $layout" >&2
		for how in chain table; do
			row="$row $(cost "$layout" "$how" "$segments") |"
		done
	done
	echo "$row"
done
