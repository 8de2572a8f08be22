#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The interface and the driver come and go under traffic.
#
# guest: {"vcpus":2,"net":[{"queues":2}],"mem":"1G"}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 14

nic=$(nic_by_index 0)
vdev=$(virtio_of "$nic")
driver=$(driver_of "$nic")

# Packets in both directions as long as the file is there, whatever becomes of the interface.
flood() {
	touch /run/harness/flood
	host bg "while :; do ping -q -f -c 5000 -s 4000 $NET_GUEST; sleep 0.1; done" >/dev/null
	while [ -e /run/harness/flood ]; do
		ping -q -f -w 1 -s 4000 "$NET_HOST"
	done >/dev/null 2>&1 &
}

cleanup() {
	rm -f /run/harness/flood
	wait
}

up() {
	nic=$(nic_by_index 0) && nic_up "$nic" 0
}

loop() {
	_times=$1
	shift
	while [ "$_times" -gt 0 ]; do
		"$@" || return 1
		_times=$((_times - 1))
	done
}

down_up() {
	ip link set "$nic" down && ip link set "$nic" up && sleep 0.2
}

rebind() {
	echo "$vdev" >"/sys/bus/virtio/drivers/$driver/unbind" &&
		echo "$vdev" >"/sys/bus/virtio/drivers/$driver/bind" &&
		wait_for 5 nic_by_index 0 && up
}

reload() {
	modprobe -r "$driver" && modprobe "$driver" && wait_for 5 nic_by_index 0 && up
}

# has_rescuer: whether the work that starts the device anew has a thread for lack of memory.
has_rescuer() {
	[ "$HARNESS_FAMILY" = c ] || cat /proc/[0-9]*/comm 2>/dev/null | grep -q "^kworker/R-net-v"
}

name=virtio_net
[ "$HARNESS_FAMILY" = c ] || name=rust_virtio_net
check "N1 the driver is registered" test -e "/sys/bus/virtio/drivers/$name/$vdev"
check_eq "N1 CPU hotplug states" "$(grep -c 'virtio/net:\(online\|dead\)' /sys/devices/system/cpu/hotplug/states)" 2
check "recovery does not wait for memory for a thread" has_rescuer
check "N10 traffic" up
before=$(cat "/sys/class/net/$nic/statistics/rx_packets")
check "N27 packets are counted" test "$before" -gt 0
flood
check "N10 N11 down and up under traffic" loop 10 down_up
check "N27 counters survive down and up" test "$(cat "/sys/class/net/$nic/statistics/rx_packets")" -ge "$before"
check "N11 traffic after that" up
check "N29 unbind and bind under traffic" loop 10 rebind
check "N1 unload and load under traffic" loop 5 reload
rm -f /run/harness/flood
wait
check "N29 a file arrives after that" upload 4
ip link set "$nic" down
check "N29 unbind while down" sh -c "echo $vdev >/sys/bus/virtio/drivers/$driver/unbind"
check "N29 no interface is left" sh -c '! ls -d /sys/class/net/eth*'
echo "$vdev" >"/sys/bus/virtio/drivers/$driver/bind"
check "N29 bind again" up
