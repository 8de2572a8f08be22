# SPDX-License-Identifier: GPL-2.0
#
# What goes on on NIC 0 while it is disturbed. Source it after rounds.sh and net.sh.

# The files of 8 MiB that go to and fro, and what they must be on the other side.
LOAD_UP=$ROUNDS_TMP/up.bin
LOAD_DOWN=$ROUNDS_TMP/down.bin

# load_serves: has the host take files and say what it got, hand one out, and wait for iperf3. What is lost is
# sent again within a second on both sides, however often it was lost before, and for some minutes.
load_serves() {
	_tcp='sysctl -qw net.ipv4.tcp_retries2=200; sysctl -qw net.ipv4.tcp_rto_max_ms=1000'
	sh -c "$_tcp" 2>/dev/null
	host sh "$_tcp" >/dev/null
	head -c 8M /dev/urandom >$LOAD_UP
	LOAD_UP_SUM=$(sha256sum <$LOAD_UP)
	LOAD_DOWN_SUM=$(host sh 'head -c 8M /dev/urandom >down.bin; sha256sum <down.bin')
	host bg 'exec socat -t 60 TCP-LISTEN:5001,reuseaddr,fork EXEC:sha256sum' >/dev/null
	host bg 'exec socat -U TCP-LISTEN:5002,reuseaddr,fork OPEN:down.bin,rdonly' >/dev/null
	host bg 'exec iperf3 -s' >/dev/null
	for _port in 5001 5002 5201; do
		wait_for 20 host sh "ss -ltn | grep -q :$_port" || return 1
	done
}

# carry_up, carry_down: a file goes to the host, or comes from it, and is as it was. While there is no way to
# the host it is waited for; a connection that is there must not break.
carry_up() {
	_got=$(within 300 socat -t 300 STDIO "TCP:$NET_HOST:5001,retry=600,interval=0.2" <$LOAD_UP)
	[ "$_got" = "$LOAD_UP_SUM" ]
}

carry_down() {
	within 300 socat -u "TCP:$NET_HOST:5002,retry=600,interval=0.2" STDOUT >$LOAD_DOWN
	_status=$?
	_got=$(sha256sum <$LOAD_DOWN)
	[ $_status = 0 ] && [ "$_got" = "$LOAD_DOWN_SUM" ] && return
	_got="$_got, $(wc -c <$LOAD_DOWN) bytes of 8388608, status $_status of socat"
	return 1
}

# carries WAY: files go that way until the file `stop` is there or something is wrong. Adds what was carried to
# the file `carried`, in MiB.
carries() {
	while [ ! -e $ROUNDS_TMP/stop ]; do
		"carry_$1" || {
			echo "a file that goes $1 arrives as \"$_got\""
			return 1
		}
		echo 8 >>$ROUNDS_TMP/carried
	done
}

carried() {
	awk '{ sum += $1 } END { print sum + 0 }' $ROUNDS_TMP/carried
}

# while_carrying COMMAND...: files go both ways meanwhile, and arrive as they were.
while_carrying() {
	rm -f $ROUNDS_TMP/stop
	carries up >$ROUNDS_TMP/up.log 2>&1 &
	_up=$!
	carries down >$ROUNDS_TMP/down.log 2>&1 &
	_down=$!
	"$@"
	_result=$?
	touch $ROUNDS_TMP/stop
	wait $_up || _result=1
	wait $_down || _result=1
	cat $ROUNDS_TMP/up.log $ROUNDS_TMP/down.log
	return $_result
}

# streams: one connection of iperf3 both ways, until it is told to stop. What it moved is in iperf.json.
streams() {
	exec iperf3 -J -i 60 -c "$NET_HOST" -t 86400 --bidir >$ROUNDS_TMP/iperf.json 2>&1
}

# streamed: prints how many mebibytes that was, both ways.
streamed() {
	jq '[.intervals[] | .sum.bytes, (.sum_bidir_reverse.bytes // 0)] | add / 1048576 | floor' $ROUNDS_TMP/iperf.json
}

# answers: waits until the host does.
answers() {
	wait_for 60 ping -c1 -W1 "$NET_HOST"
}
