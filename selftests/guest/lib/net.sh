# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Traffic between the guest and the host, on NIC 0. Source it after tap.sh.

NET_HOST=192.0.2.1
NET_GUEST=192.0.2.2
NET_HOST6=fd00:0::1
NET_GUEST6=fd00:0::2

# kmsg_mark / kmsg_since: the kernel messages since the mark.
kmsg_mark() {
	KMSG_MARK="harness: mark $(cat /proc/uptime)"
	echo "$KMSG_MARK" >/dev/kmsg
}

# By a line of its own: a count of lines would be wrong when the log is full and loses old ones.
kmsg_since() {
	dmesg | awk -v mark="$KMSG_MARK" 'found { print } index($0, mark) { found = 1 }'
}

# was_said TEXT: whether a kernel message since the mark has the text.
was_said() {
	kmsg_since | grep -q "$1"
}

# stat_of INTERFACE NAME: prints one value of ethtool -S.
stat_of() {
	ethtool -S "$1" | awk -v name="$2:" '$1 == name { print $2 }'
}

# feature_of INTERFACE NAME: prints on or off.
feature_of() {
	ethtool -k "$1" | awk -v name="$2:" '$1 == name { print $2 }'
}

# has_feature INTERFACE BIT: whether the virtio feature was negotiated.
has_feature() {
	[ "$(cut -c "$(($2 + 1))" "/sys/bus/virtio/devices/$(virtio_of "$1")/features")" = 1 ]
}

# rx_filter FILTER: prints what a jq filter makes of QEMU's receive filter of NIC 0.
rx_filter() {
	qmp_cmd query-rx-filter | jq -c ".[0] | $1"
}

# nic_id N: prints the id of a NIC on QEMU's side.
nic_id() {
	qmp_cmd query-rx-filter | jq -r '.[].name' | sed -n "$(($1 + 1))p"
}

# upload MEGABYTES [6]: sends a file to the host and compares.
upload() {
	_to=TCP:$NET_HOST:5001
	[ "$2" = 6 ] && _to="TCP6:[$NET_HOST6]:5001"
	head -c "${1}M" /dev/urandom >/run/harness/up.bin || return 1
	host bg 'socat -u TCP6-LISTEN:5001,reuseaddr,ipv6only=0 OPEN:up.bin,creat,trunc' >/dev/null
	wait_for 20 host sh 'ss -ltn | grep -q ":5001 "' || return 1
	within 120 socat -u OPEN:/run/harness/up.bin "$_to" || return 1
	wait_for 20 host sh '! ss -tn | grep -q ":5001 "' || return 1
	_sum=$(sha256sum </run/harness/up.bin)
	rm -f /run/harness/up.bin
	[ "$(host sh 'sha256sum <up.bin; rm -f up.bin')" = "$_sum" ]
}

# download MEGABYTES [6]: receives a file from the host and compares.
download() {
	_to=TCP:$NET_GUEST:5002
	[ "$2" = 6 ] && _to="TCP6:[$NET_GUEST6]:5002"
	within 120 socat -u TCP6-LISTEN:5002,reuseaddr,ipv6only=0 OPEN:/run/harness/down.bin,creat,trunc &
	_pid=$!
	wait_for 20 ss_listens 5002 || return 1
	_sum=$(host sh "head -c ${1}M /dev/urandom >down.bin; sha256sum <down.bin") || return 1
	host sh "timeout $(patient 120) socat -u OPEN:down.bin '$_to'; rm -f down.bin" || return 1
	wait "$_pid" || return 1
	_got=$(sha256sum </run/harness/down.bin)
	rm -f /run/harness/down.bin
	[ "$_got" = "$_sum" ]
}

ss_listens() {
	ss -ltn | grep -q ":$1 "
}

# iperf_server: starts a server of iperf3 on the host, and prints its port. It serves one run: a server that is used
# again may still be busy with the end of the run before, and refuses the next. The port goes by the process, below
# the ports that connections are given.
iperf_server() {
	_server=$(host bg 'exec iperf3 -s -1 -p $((10000 + $$ % 20000))') || return 1
	_server=$((10000 + _server % 20000))
	wait_for 20 host sh "ss -ltn | grep -q ':$_server '" || return 1
	echo $_server
}

# iperf SECONDS [ARGUMENTS]: a run against the host; prints received Mbit/s, rounded up.
iperf() {
	_t=$1
	shift
	_at=$(iperf_server) || return 1
	within $((_t + 120)) iperf3 -J -c "$NET_HOST" -p "$_at" -t "$_t" "$@" |
		jq -e '.end.sum_received.bits_per_second // .end.sum.bits_per_second | . / 1000000 | ceil'
}

# moved INTERFACE: prints how many bytes it has sent and received.
moved() {
	echo $(($(cat "/sys/class/net/$1/statistics/tx_bytes") + $(cat "/sys/class/net/$1/statistics/rx_bytes")))
}

has_moved() {
	[ "$(moved "$1")" -gt "$2" ]
}

# stream INTERFACE [ARGUMENTS]: starts a run of iperf3 against the host, which goes on until end_stream, and returns when
# a megabyte has gone over the interface.
stream() {
	_of=$1
	shift
	_at=$(iperf_server) || return 1
	_before=$(moved "$_of")
	iperf3 -i 60 -c "$NET_HOST" -p "$_at" -t 86400 "$@" >/run/harness/stream.log 2>&1 &
	STREAM=$!
	wait_for 20 has_moved "$_of" $((_before + 1000000))
}

# is_streaming: whether the run goes on.
is_streaming() {
	grep -q '^State:.[^ZX]' "/proc/$STREAM/status" 2>/dev/null
}

# goes_on INTERFACE: waits until the run has moved some more.
goes_on() {
	wait_for 20 has_moved "$1" $(($(moved "$1") + 100000)) && is_streaming
}

# end_stream: ends the run, which has to go on until then.
end_stream() {
	is_streaming || {
		cat /run/harness/stream.log
		return 1
	}
	# Not by a signal that iperf3 handles: it may wait for the other end then.
	kill -KILL "$STREAM"
	wait "$STREAM" 2>/dev/null
	return 0
}

# capture FILE ARGUMENTS: has the host run tcpdump with its output in a file, and returns when it captures: packets of
# before are not seen.
capture() {
	host sh "rm -f $1" && host bg "exec timeout $(patient 120) tcpdump -nn $2 >$1 2>&1" >/dev/null &&
		wait_for 20 host sh "grep -q 'listening on' $1"
}

# iperf_ok SECONDS [ARGUMENTS]: whether a run moves anything.
iperf_ok() {
	_mbit=$(iperf "$@") || return 1
	diag "$_mbit Mbit/s $*"
	[ "$_mbit" -gt 0 ]
}

# Number of tests of net_traffic.
# shellcheck disable=SC2034 # for scripts
NET_TRAFFIC=9

# net_traffic ROWS INTERFACE: the usual traffic in both directions. ROWS goes before the names.
net_traffic() {
	check "$1 the interface comes up" nic_up "$2" 0
	check "$1 ping" ping -c3 -i0.2 -W5 "$NET_HOST"
	check "$1 ping over IPv6" ping -6 -c3 -i0.2 -W5 "$NET_HOST6"
	check "$1 large ping in fragments" ping -c3 -i0.2 -W5 -s 20000 "$NET_HOST"
	check "$1 a file arrives at the host" upload 8
	check "$1 a file arrives from the host" download 8
	check "$1 a file arrives at the host over IPv6" upload 4 6
	check "$1 a file arrives from the host over IPv6" download 4 6
	check "$1 two-way TCP" iperf_ok 2 --bidir
}
