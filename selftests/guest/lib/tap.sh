# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# TAP output for the guest selftests, as the kernel's own selftests write it. Source it first:
#
#	. "$(dirname "$0")/../lib/tap.sh"
#	tap_plan 3
#	check "the disk is there" test -b /dev/vdb
#
# A test is known as <subject>/<script>:<description>, so descriptions are short, say what must hold,
# and have neither commas nor '#' in them. tap_end is implied when the script exits.

TAP_N=0
TAP_FAILED=0
TAP_PLAN=

_tap_exit() {
	_status=$?
	trap - EXIT
	type cleanup >/dev/null 2>&1 && cleanup
	[ -z "$TAP_PLAN" ] && echo "1..$TAP_N"
	[ "$_status" -ne 0 ] && exit "$_status"
	[ "$TAP_FAILED" -eq 0 ] || exit 1
	exit 0
}
trap _tap_exit EXIT

# tap_plan COUNT: says how many tests follow.
tap_plan() {
	TAP_PLAN=$1
	echo "TAP version 13"
	echo "1..$1"
}

# ok NAME: a test passed.
ok() {
	TAP_N=$((TAP_N + 1))
	echo "ok $TAP_N - $*"
}

# not_ok NAME: a test failed.
not_ok() {
	TAP_N=$((TAP_N + 1))
	TAP_FAILED=$((TAP_FAILED + 1))
	echo "not ok $TAP_N - $*"
}

# skip NAME REASON: a test could not be run here.
skip() {
	TAP_N=$((TAP_N + 1))
	echo "ok $TAP_N - $1 # SKIP $2"
}

# skip_all REASON: skips the whole script before any test was run.
skip_all() {
	echo "1..0 # SKIP $*"
	TAP_PLAN=0
	exit 0
}

# diag TEXT: prints a diagnostic.
diag() {
	echo "$*" | sed 's/^/# /'
}

# check NAME COMMAND...: passes if COMMAND succeeds; its output is shown if it does not.
check() {
	_name=$1
	shift
	_out=$("$@" 2>&1)
	_status=$?
	if [ $_status -eq 0 ]; then
		ok "$_name"
		return 0
	fi
	diag "status $_status: $*"
	[ -n "$_out" ] && diag "$_out"
	not_ok "$_name"
	return 1
}

# check_not NAME COMMAND...: passes if COMMAND fails.
check_not() {
	_name=$1
	shift
	if _out=$("$@" 2>&1); then
		diag "succeeded: $*"
		[ -n "$_out" ] && diag "$_out"
		not_ok "$_name"
		return 1
	fi
	ok "$_name"
}

# check_eq NAME GOT WANTED: passes if both are the same text.
check_eq() {
	if [ "$2" = "$3" ]; then
		ok "$1"
		return 0
	fi
	diag "got \"$2\", wanted \"$3\""
	not_ok "$1"
	return 1
}

# patient SECONDS: prints for how long to wait for that; longer on a slow kernel.
patient() {
	echo $(($1 * ${HARNESS_PATIENCE:-1}))
}

# within SECONDS COMMAND...: runs COMMAND for so long at most, by the measure of patient.
within() {
	_limit=$(patient "$1")
	shift
	timeout "$_limit" "$@"
}

# What is waited for comes soon or never. A moment of an idle machine can be a minute of one that runs several
# guests on few processors, so no condition gets less time than this.
TAP_LEAST=120

# wait_for SECONDS COMMAND...: repeats COMMAND until it succeeds, for so long at most, by the measure of patient, or for
# TAP_LEAST seconds if that is longer.
wait_for() {
	_least=$(($1 > TAP_LEAST ? $1 : TAP_LEAST))
	shift
	try_for $_least "$@"
}

# try_for SECONDS COMMAND...: the same for what may not come: it is not repeated for longer.
try_for() {
	_end=$(($(date +%s) + $(patient "$1")))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$(date +%s)" -gt "$_end" ] && return 1
		sleep 0.2
	done
}

. "$(dirname "$0")/../lib/host.sh"
. "$(dirname "$0")/../lib/dev.sh"
