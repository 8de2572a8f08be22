#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# AF_XDP sockets without copies: an echo of frames with checksums, while the interface changes. The argument is the
# layout of the rings.
#
# case: split split {"vcpus":2,"allow":["XDP request","reset rx fail"],"net":[{"props":{"iommu_platform":"on","queue_reset":"on"}},{},{"props":{"iommu_platform":"on","queue_reset":"off"}}]}
# case: packed packed {"vcpus":2,"allow":["XDP request","reset rx fail"],"net":[{"props":{"iommu_platform":"on","queue_reset":"on","packed":"on"}},{},{"props":{"iommu_platform":"on","queue_reset":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 22

nic=$(nic_by_index 0)
file=/run/harness/xsk.count
lib=$(dirname "$0")/../lib

cleanup() {
	stop_echo
	python3 "$lib/xdp.py" detach "$nic"
	ethtool -G "$nic" rx 256 tx 256
}

# start_echo OPTIONS: begins to send frames back.
start_echo() {
	rm -f $file $file.stop
	python3 "$lib/xsk.py" echo "$nic" $file "$@" >$file.log 2>&1 &
	echo $! >$file.pid
	wait_for 20 test -s $file || ! cat $file.log
}

# stop_echo: ends that.
stop_echo() {
	touch $file.stop
	wait_for 20 has_ended && return
	# Says where it hangs: in the program, or in the kernel.
	_pid=$(cat $file.pid)
	kill -USR1 "$_pid"
	sleep 1
	diag "$(cat $file.log "/proc/$_pid/status" "/proc/$_pid/stack")"
	return 1
}

has_ended() {
	! grep -q xsk.py "/proc/$(cat $file.pid)/cmdline"
}

# flood COUNT LENGTH: whether so many frames of the host come back, all intact.
flood() {
	_got=$(host sh "python3 xsk.py flood tap0 $(cat "/sys/class/net/$nic/address") $1 $2")
	diag "came back, damaged: $_got"
	[ "$_got" = "$1 0" ]
}

# echoes OPTIONS: whether a new socket sends frames back.
echoes() {
	start_echo "$@" || return 1
	flood 300 1500
	_status=$?
	stop_echo || return 1
	diag "got, damaged: $(cat $file)"
	diag "$(cat $file.log)"
	return $_status
}

base64 -w0 <"$lib/xsk.py" >/run/harness/xsk.b64
host sh 'rm -f xsk.b64'
fold -w 900 /run/harness/xsk.b64 | while read -r part || [ -n "$part" ]; do
	host sh "printf %s $part >>xsk.b64"
done
host sh 'base64 -d <xsk.b64 >xsk.py'

check "N77 traffic" nic_up "$nic" 0
[ "$1" = split ] || check "N77 the rings are packed" has_feature "$nic" 34
[ "$1" = packed ] || ok "N77 the rings are split"
check_eq "N77 without mappings a socket is refused" "$(python3 "$lib/xsk.py" try "$(nic_by_index 1)")" EINVAL
check_eq "N77 without resets of queues a socket is refused" "$(python3 "$lib/xsk.py" try "$(nic_by_index 2)")" ENOENT
check_eq "N77 a queue that is not there" "$(python3 "$lib/xsk.py" try "$nic" --queue 1)" EINVAL
check "N77 a socket uses the queues" start_echo
check_eq "N77 no second one does" "$(python3 "$lib/xsk.py" try "$nic")" EBUSY
check "N78 N79 small frames come back" flood 500 60
check "N78 N79 frames of all lengths come back" flood 500 1500
are_counted() {
	[ "$(stat_of "$nic" tx_xdp_tx)" -ge 1000 ] && [ "$(stat_of "$nic" rx_xdp_redirects)" -ge 1000 ]
}
check "N79 they are counted" wait_for 10 are_counted
check "N78 other packets pass" ping -c3 -i0.2 -W5 "$NET_HOST"
check "N78 a file arrives meanwhile" download 4
ethtool -G "$nic" rx 128 tx 128
check "N77 frames come back after a change of the sizes of rings" flood 300 1500
ip link set "$nic" down
ip link set "$nic" up
check "N77 frames come back after the interface was down" flood 300 1500
# echoed_more COUNT: whether the socket has got more frames than that.
echoed_more() {
	[ "$(cut -d' ' -f1 $file)" -gt "$1" ]
}
# Many enough for the socket to be closed before all have come.
got=$(cut -d' ' -f1 $file)
sender=$(host bg "exec python3 xsk.py flood tap0 $(cat "/sys/class/net/$nic/address") 1000000 1500")
wait_for 20 echoed_more "$got"
check "N77 the socket is closed under traffic" stop_echo
host sh "kill $sender"
python3 "$lib/xdp.py" detach "$nic"
check "N77 traffic without it" ping -c3 -i0.2 -W5 "$NET_HOST"
check "N80 without asking to be woken" echoes --no-wakeup
check "N80 busy polling" echoes --busy
check "N78 small chunks" echoes --chunk 2048
check "N78 unaligned chunks" echoes --unaligned
python3 "$lib/xdp.py" detach "$nic"
check "N77 a file arrives in the end" download 4
check "N77 a file arrives at the host in the end" upload 4
