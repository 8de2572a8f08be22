#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# throughput-net.sh NIC DRIVER KIND WAY QUEUES SECONDS: moves data between the guest and the host.
#
#	stream out|in	one TCP connection: Mbit/s at the receiver
#	flows out|in	eight connections of four processes: Mbit/s at the receivers
#	udp out|in	packets of 64 bytes, as fast as they go: packets/s that arrived
#	rr out		a TCP request and its response: how many in a second, and how long it took
#
# throughput-net.sh serve: starts the servers on the host and waits until they listen.

# shellcheck source=devices.sh
. /run/harness/job/devices.sh

PORTS="5201 5202 5203 5204"
RR_PORT=11111

listening() {
	host sh "ss -ltn | grep -q ':$1 '"
}

serve() {
	if host sh 'command -v iperf3'; then
		for port in $PORTS; do
			host bg "exec iperf3 -s -p $port" >/dev/null
		done
		for port in $PORTS; do
			wait_for 30 listening "$port" || fail "iperf3 does not listen on the host"
		done
	fi
	if host sh 'command -v sockperf'; then
		host bg "exec sockperf server --tcp -p $RR_PORT" >/dev/null
		wait_for 30 listening "$RR_PORT" || fail "sockperf does not listen on the host"
	fi
}

[ "$1" = serve ] && {
	serve
	exit 0
}

name=$1 driver=$2 kind=$3 way=$4 queues=$5 seconds=$6

# iperf PORT ARGUMENTS: runs a client; what it reports goes to /tmp/iperf.PORT.
iperf() {
	_port=$1
	shift
	timeout $((seconds + 60)) iperf3 -J -c "$net.1" -p "$_port" -t "$seconds" $reverse "$@" \
		>"/tmp/iperf.$_port" || fail "iperf3: $(jq -r '.error // "failed"' "/tmp/iperf.$_port")"
}

reverse=
[ "$way" = in ] && reverse=-R

case $kind in
rr) need sockperf ;;
*) need iperf3 jq ;;
esac
give_nic "$name" "$driver"
found=$(ls -d "/sys/class/net/$nic/queues"/tx-* | wc -l)
[ "$found" = "$queues" ] || fail "$driver has $found queue pairs on $name, not $queues"
rm -f /tmp/iperf.*

case $kind in
stream)
	iperf 5201
	jq -c '{mbit_s: (.end.sum_received.bits_per_second / 1e6)}' /tmp/iperf.5201 >/tmp/sample
	;;
flows)
	pids=
	for port in $PORTS; do
		iperf "$port" -P 2 &
		pids="$pids $!"
	done
	for pid in $pids; do
		wait "$pid" || exit 1
	done
	jq -sc '{mbit_s: (map(.end.sum_received.bits_per_second) | add / 1e6)}' /tmp/iperf.* >/tmp/sample
	;;
udp)
	iperf 5201 -u -l 64 -b 0
	jq -c '.end.sum_received | {packets_s: ((.packets - .lost_packets) / .seconds)}' \
		/tmp/iperf.5201 >/tmp/sample
	;;
rr)
	# Without the time stamp counter, which an emulated processor may not have in step.
	timeout $((seconds + 60)) sockperf ping-pong --tcp -i "$net.1" -p "$RR_PORT" -t "$seconds" \
		--no-rdtsc --full-rtt --full-log /tmp/rr.csv >/tmp/rr.out 2>&1 ||
		fail "sockperf: $(tail -n 1 /tmp/rr.out)"
	# Times of three digits, counted; sorted so that percentiles can be read off.
	awk -F, '$1 ~ /^[0-9]+$/ { printf "%.2e\n", $4 }' /tmp/rr.csv | sort -g | uniq -c >/tmp/rr.bins
	awk '{
		count[NR] = $1; time[NR] = $2 + 0; all += $1
	} END {
		if (!all) exit 1
		for (i = 1; i <= NR; i++) {
			sum += count[i]
			if (!p50 && sum >= all * 0.5) p50 = time[i]
			if (!p99 && sum >= all * 0.99) p99 = time[i]
			bins = bins (i > 1 ? "," : "") "\"" time[i] * 1000 "\":" count[i]
		}
		printf "{\"p50\":%s,\"p99\":%s,\"bins\":{%s},", p50, p99, bins
	}' /tmp/rr.bins >/tmp/sample || fail "sockperf: no response was timed"
	sed -n 's/.*\[Valid Duration\] RunTime=\([0-9.]*\) sec.*ReceivedMessages=\([0-9]*\).*/\1 \2/p' \
		/tmp/rr.out | awk '{ printf "\"per_s\":%s}\n", $2 / $1; exit }' >>/tmp/sample
	;;
*)
	fail "there is no $kind"
	;;
esac
grep -q . /tmp/sample || fail "nothing was measured: $(tail -n 1 /tmp/iperf.5201)"
echo "sample $(cat /tmp/sample)"
