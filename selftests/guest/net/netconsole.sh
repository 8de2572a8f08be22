#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Kernel messages go out through the interface (netpoll).
#
# guest: {"vcpus":2,"net":[{}],"cmdline":"harness.netconsole"}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 6

nic=$(nic_by_index 0)
check "N64 traffic" nic_up "$nic" 0
host bg 'socat -u UDP4-RECV:6666 OPEN:netconsole.txt,creat,trunc' >/dev/null
wait_for 20 host sh "ss -lun | grep -q ':6666 '"
mac=$(host sh "ip -br link show tap0" | awk '{ print $3 }')
check "N64 netconsole" modprobe netconsole "netconsole=6665@$NET_GUEST/$nic,6666@$NET_HOST/$mac"
for i in 1 2 3 4 5; do
	echo "harness netconsole message $i" >/dev/kmsg
done
check "N64 messages arrive" wait_for 20 host sh 'grep -q "harness netconsole message 5" netconsole.txt'
stream "$nic" --bidir || exit 1
for i in $(seq 1 200); do
	echo "harness netconsole line $i under load" >/dev/kmsg
done
# The socket of the host has room for some datagrams only, so a line may be lost: another one follows.
arrives_under_load() {
	is_streaming && echo "harness netconsole last line under load" >/dev/kmsg &&
		host sh 'grep -q "harness netconsole last line under load" netconsole.txt'
}
check "N64 messages arrive under load" wait_for 20 arrives_under_load
lines=$(host sh 'grep -c "harness netconsole line [0-9]* under load" netconsole.txt')
diag "$lines of 200 lines under load"
check "N64 many of the lines arrive" test "$lines" -ge 50
end_stream
modprobe -r netconsole
check "N64 traffic after that" ping -c3 -i0.2 "$NET_HOST"
