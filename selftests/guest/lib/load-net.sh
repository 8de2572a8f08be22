# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What goes on on NIC 0 while it is disturbed. Source it after rounds.sh and net.sh.

LOAD_CARRY=$(dirname "$0")/../lib/carry.py
# What one connection carries, in MiB.
LOAD_MIB=32

# load_serves: has the host serve both ways, and wait for iperf3. What is lost is sent again within a second on
# both sides, however often it was lost before, and for some minutes.
load_serves() {
	_tcp='for _set in retries2=200 synack_retries=200 rto_max_ms=1000; do sysctl -qw "net.ipv4.tcp_$_set"; done'
	sh -c "$_tcp" 2>/dev/null
	host sh "$_tcp" >/dev/null
	host run serve 5001 >/dev/null
	host bg 'exec iperf3 -s' >/dev/null
	for _port in 5001 5201; do
		wait_for 20 host sh "ss -ltn | grep -q ':$_port '" || return 1
	done
}

# carry WAY: bytes go to the host ("up"), or come from it ("down"), and are as they were. While there is no way to
# the host it is waited for; a connection that is there must not break.
carry() {
	python3 "$LOAD_CARRY" "$1" "$NET_HOST" 5001 $LOAD_MIB
}

# carries WAY: bytes go that way until the file `stop` is there or something is wrong. Adds what was carried to
# the file `carried`, in MiB.
carries() {
	while [ ! -e "$ROUNDS_TMP"/stop ]; do
		_wrong=$(carry "$1" 2>&1) || {
			echo "what goes $1 is not as it was: $_wrong" | tee /dev/kmsg
			return 1
		}
		echo $LOAD_MIB >>"$ROUNDS_TMP"/carried
	done
}

carried() {
	awk '{ sum += $1 } END { print sum + 0 }' "$ROUNDS_TMP"/carried
}

# while_carrying COMMAND...: bytes go both ways meanwhile, on two connections each, and arrive as they were.
while_carrying() {
	rm -f "$ROUNDS_TMP"/stop "$ROUNDS_TMP"/*.log
	_carriers=
	for _way in up down up down; do
		carries $_way >>"$ROUNDS_TMP"/$_way.log 2>&1 &
		_carriers="$_carriers $!"
	done
	"$@"
	_result=$?
	touch "$ROUNDS_TMP"/stop
	for _carrier in $_carriers; do
		wait "$_carrier" || _result=1
	done
	cat "$ROUNDS_TMP"/up.log "$ROUNDS_TMP"/down.log
	return $_result
}

# streams: one connection of iperf3 both ways, until it is told to stop, which leaves room for what is compared.
# What it moved is in iperf.json.
streams() {
	exec iperf3 -J -i 60 -c "$NET_HOST" -t 86400 --bidir -b 100M >"$ROUNDS_TMP"/iperf.json 2>&1
}

# streamed: prints how many mebibytes that was, both ways.
streamed() {
	jq '[.intervals[] | .sum.bytes, (.sum_bidir_reverse.bytes // 0)] | add / 1048576 | floor' "$ROUNDS_TMP"/iperf.json
}

# answers: waits until the host does.
answers() {
	wait_for 60 reaches "$NET_HOST"
}
