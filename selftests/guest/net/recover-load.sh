#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Tests that a NIC carries on under load, however often its queues break, it goes mute, leaves a command without an
# answer, needs a reset, its function is reset, it is unplugged, or memory fails. It takes more than two hours with a
# hundred rounds of each: ROUNDS=5 for a try.
#
# What arrives is compared on both sides. Connections outlive everything.
#
# guest: {"long":true,"vcpus":4,"net":[{"queues":2}],
# guest:  "qemu":["-object","memory-backend-memfd,id=shared,size=1G,share=on",
# guest:  "-machine","memory-backend=shared"],
# guest:  "allow":["NETDEV WATCHDOG"]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/rounds.sh"
. "$(dirname "$0")/../lib/load-net.sh"
need_host

driver=rust_virtio_net
mac=52:54:00:00:00:01

# find_nic: says which interface it is now, and has it up.
find_nic() {
	wait_for_device nic_by_index 0 || return 1
	nic=$(nic_by_index 0)
	virtio=$(virtio_of "$nic")
	pci=$(pci_of "$nic")
	echo flr >"/sys/bus/pci/devices/$pci/reset_method"
	ethtool -L "$nic" combined 2
	nic_up "$nic" 0
}

# breaks: the device returns a buffer that it never had. A device that cannot be started anew is given up.
breaks() {
	_before=$(told "a queue is broken: \(started anew\|given up\)")
	lies net0 4 && wait_for 60 told_more "a queue is broken: \(started anew\|given up\)" "$_before"
}

# floods: sends more than the queues have room for. Connections that wait for an answer leave them far from full.
floods() {
	for _n in 1 2 3; do
		ping -q -f -w "$(patient 150)" -S 425984 "$NET_HOST" >/dev/null 2>&1 &
		echo $! >>$ROUNDS_TMP/floods
	done
}

# goes_mute: the device does nothing any more, until it was reset. The watchdog looks at queues that are full only.
goes_mute() {
	_before=$(told "sends no packet: started anew")
	rm -f $ROUNDS_TMP/floods
	python3 ../lib/behind.py "$pci" stops || return 1
	floods
	wait_for 120 told_more "sends no packet: started anew" "$_before"
	_status=$?
	# shellcheck disable=SC2046 # one for each process
	kill $(cat $ROUNDS_TMP/floods)
	return $_status
}

# leaves_command: the device has lost its control queue, the one behind two pairs, until it was reset. Packets go on.
leaves_command() {
	_before=$(told "does not answer a control command: started anew")
	python3 ../lib/behind.py "$pci" drops 4 || return 1
	ip link set "$nic" promisc on
	wait_for 120 told_more "does not answer a control command: started anew" "$_before"
	_status=$?
	ip link set "$nic" promisc off
	return $_status
}

# needs_reset: the device says so.
needs_reset() {
	_before=$(told "needs a reset: started anew")
	python3 ../lib/behind.py "$pci" asks || return 1
	qmp_cmd set_link '{"name":"net0","up":false}' >/dev/null
	qmp_cmd set_link '{"name":"net0","up":true}' >/dev/null
	wait_for 60 told_more "needs a reset: started anew" "$_before"
}

# is_reset: the function is, after which nothing counts that was before.
is_reset() {
	within 60 sh -c "echo 1 >/sys/bus/pci/devices/$pci/reset"
}

disturb() {
	for _what in breaks goes_mute leaves_command needs_reset is_reset; do
		echo "round $round: $_what" >/dev/kmsg
		$_what && answers || {
			diag "$_what"
			return 1
		}
	done
}

no_giving_up() {
	[ "$(told "given up")" -eq 0 ]
}

# unplugged: the device goes and comes.
unplugged() {
	sleep "0.$((round % 10))"
	unplug_device net0 test ! -e "/sys/bus/virtio/devices/$virtio" || return 1
	wait_for_slot
	wait_for 30 qmp_cmd device_add "{\"driver\":\"virtio-net-pci\",\"id\":\"net0\",\"bus\":\"port-net0\",\
		\"netdev\":\"net0\",\"mac\":\"$mac\",\"mq\":true,\"vectors\":6}" || return 1
	# Connections get a second to go on in.
	find_nic && answers && sleep 1
}

# starved: allocations of the driver fail, now and then, and a queue breaks. A device that cannot be started anew
# for that is given up, and comes back when its function is reset.
starved() {
	memory_fails $driver $((1 + round % 20))
	sleep 2
	breaks
	_status=$?
	memory_is_fine
	[ $_status -eq 0 ] && is_reset && answers
}

find_nic
check_eq "the NIC is on our driver" "$(driver_of "$nic")" $driver
load_serves
check_eq "the host takes part" "$?" 0
# Whatever is allocated once is, after that.
carry up && carry down && is_reset && answers
free=$(memory_free)
(streams) &
iperf=$!
check "bytes arrive as they were though the device fails" while_carrying rounds "$ROUNDS" disturb
check "one connection has outlived all that" kill -TERM $iperf
wait $iperf
check "and has moved something" test "$(streamed)" -gt 0
check "the device is never given up" no_giving_up
diag "$(told "started anew") restarts; $(carried) MiB compared; $(streamed) MiB streamed"
check "N63 bytes arrive as they were though the NIC goes and comes" while_carrying rounds "$ROUNDS" unplugged
find_nic
why=$(cannot_fail)
if [ -z "$why" ]; then
	check "bytes arrive as they were though memory fails" while_carrying rounds "$ROUNDS" starved
	diag "$(told "given up") times given up for want of memory"
else
	skip "bytes arrive as they were though memory fails" "$why"
fi
diag "$(carried) MiB compared"
lost=$((free - $(memory_free)))
diag "$lost kB are gone of $free"
check "no memory is lost" test $lost -lt 16384
ip link set "$nic" down
check "the module can be unloaded" modprobe -r $driver
check "no buffer was left with anyone" sh -c "! grep -q 'stalled pool' $ROUNDS_TMP/kmsg"
check "and loaded again" modprobe $driver

cleanup() {
	memory_is_fine 2>/dev/null
	rounds_end
}
