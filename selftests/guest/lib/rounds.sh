# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Disturbances of a device, over and over, while it is used. Source it after tap.sh.

# How often a device is disturbed in each way (ROUNDS= of the harness).
# shellcheck disable=SC2034 # for scripts
ROUNDS=${HARNESS_ROUNDS:-100}
ROUNDS_TMP=/tmp/rounds
mkdir -p $ROUNDS_TMP
# The kernel's own buffer is too short for all that it has to say.
cat /dev/kmsg >$ROUNDS_TMP/kmsg 2>/dev/null &
ROUNDS_KMSG=$!

# Whatever is killed is killed by its number: rounds_end is for the end of the script.
rounds_end() {
	kill $ROUNDS_KMSG 2>/dev/null
	rm -rf $ROUNDS_TMP
}

# told TEXT: prints how many lines of the kernel log have it.
told() {
	grep -c "$1" $ROUNDS_TMP/kmsg
}

# told_more TEXT COUNT: whether there are more than that.
told_more() {
	[ "$(told "$1")" -gt "$2" ]
}

# rounds COUNT COMMAND...: so many rounds of a disturbance, or until one fails. The number of the round is in
# the variable round.
rounds() {
	_rounds=$1
	shift
	round=0
	while [ $round -lt "$_rounds" ]; do
		"$@" || {
			diag "in round $round: $(tail -n 5 $ROUNDS_TMP/kmsg)"
			return 1
		}
		round=$((round + 1))
	done
}

# What a ring says that has found a lie, in Rust and in C.
ROUNDS_LIE="the queue is broken\|id [0-9]* out of range\|id [0-9]* is not a head"

# lies DEVICE QUEUES: a device returns a buffer that it never had, until the driver has seen it: the driver may have seen
# the answer before it was spoilt. Each round begins with another of so many queues.
lies() {
	_seen=$(told "$ROUNDS_LIE")
	_tries=0
	while [ $_tries -lt 30 ]; do
		host run lie "$1 $(((round + _tries) % $2)) $HARNESS_LAYOUT"
		try_for 1 told_more "$ROUNDS_LIE" "$_seen" && return 0
		_tries=$((_tries + 1))
	done
	return 1
}

# memory_free: prints the memory that is free, in kilobytes, with no caches.
memory_free() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo
}

# cannot_fail MODULE: prints why allocations of a module cannot be made fail here, nothing if they can.
cannot_fail() {
	[ -e /sys/kernel/debug/failslab/require-start ] && [ -e /sys/kernel/debug/fail_page_alloc ] ||
		echo "the kernel cannot make allocations fail (VARIANT=debug can)"
}

# memory_fails MODULE PERCENT: so many of the allocations fail that are made below a function of the module,
# of which kind ever.
memory_fails() {
	_text=$(awk -v module="[$1]" '$4 == module && tolower($2) == "t" { print $1 }' /proc/kallsyms | sort)
	for _f in /sys/kernel/debug/failslab /sys/kernel/debug/fail_page_alloc; do
		echo 0 >$_f/probability
		echo 0 >$_f/verbose
		echo N >$_f/ignore-gfp-wait
		echo 1 >$_f/interval
		echo -1 >$_f/times
		echo 32 >$_f/stacktrace-depth
		echo "0x$(echo "$_text" | head -n1)" >$_f/require-start
		echo "0x$(echo "$_text" | tail -n1)" >$_f/require-end
		echo "$2" >$_f/probability
	done
	echo 0 >/sys/kernel/debug/fail_page_alloc/min-order
}

# memory_is_fine: no allocation fails any more.
memory_is_fine() {
	for _f in /sys/kernel/debug/failslab /sys/kernel/debug/fail_page_alloc; do
		echo 0 >$_f/probability
	done
}
