#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Large UDP packets that the other side cuts.
#
# guest: {"net":[{"props":{"host_uso":"on","guest_uso4":"on","guest_uso6":"on"}}],"cmdline":"harness.uso"}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 5

nic=$(nic_by_index 0)
check "N33 traffic" nic_up "$nic" 0

# Sends ten datagrams of ten segments each in one call, to the host or to the guest.
sender='
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(17, 103, 1000)
for i in range(10):
    s.sendto(bytes([i]) * 10000, (sys.argv[1], 7777))
'
receiver='
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
s.bind(("", 7777)); s.settimeout(240)
n = 0
try:
    while n < 100:
        d = s.recv(65536)
        if len(d) != 1000 or len(set(d)) != 1:
            print("wrong:", len(d), d[:4].hex())
            break
        n += 1
except TimeoutError: pass
print(n)
'
receives() {
	ss -lun | grep -q ':7777 '
}

if has_feature "$nic" 56; then
	check_eq "N33 UDP segmentation" "$(feature_of "$nic" tx-udp-segmentation)" on
	echo "$receiver" | base64 -w0 >/run/harness/recv.b64
	host bg "echo $(cat /run/harness/recv.b64) | base64 -d >recv.py; python3 recv.py >uso.txt" >/dev/null
	wait_for 20 host sh "ss -lun | grep -q ':7777 '"
	python3 -c "$sender" "$NET_HOST"
	check "N33 all datagrams arrive" wait_for 300 host sh 'grep -qx 100 uso.txt'
	diag "the host got $(host sh 'cat uso.txt')"
	python3 -c "$receiver" >/run/harness/uso.txt &
	wait_for 20 receives
	host sh "echo $(echo "$sender" | base64 -w0) | base64 -d >send.py; python3 send.py $NET_GUEST"
	wait
	check_eq "N37 all datagrams arrive from the host" "$(cat /run/harness/uso.txt)" 100
else
	skip "N33 UDP segmentation" "the host has no USO"
	skip "N33 all datagrams arrive" "the host has no USO"
	skip "N37 all datagrams arrive from the host" "the host has no USO"
fi
check "N33 traffic after that" ping -c3 -i0.2 "$NET_HOST"
