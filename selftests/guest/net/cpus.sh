#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Interrupts and packets are spread over the CPUs, and again when one comes or goes.
#
# guest: {"vcpus":4,"net":[{"queues":4}],"cmdline":"harness.cpus"}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 15

nic=$(nic_by_index 0)
vdev=$(virtio_of "$nic")

cleanup() {
	echo 1 >/sys/devices/system/cpu/cpu3/online
	ethtool -L "$nic" combined 4
}

xps() {
	cat "/sys/class/net/$nic"/queues/tx-*/xps_cpus | tr '\n' ' '
}

xps_is() {
	[ "$(xps)" = "$1" ]
}

hints() {
	awk -v dev="$vdev-" 'index($0, dev) && /(in|out)put/ { sub(":", "", $1); print $1 }' /proc/interrupts |
		while read -r irq; do cat "/proc/irq/$irq/affinity_hint"; done | tr '\n' ' '
}

# offline_under_traffic: a CPU goes while packets go and come.
offline_under_traffic() {
	_before=$(moved "$nic")
	ping -q -f -w 3 "$NET_HOST" >/dev/null &
	_pid=$!
	wait_for 20 has_moved "$nic" $((_before + 10000)) && echo 0 >/sys/devices/system/cpu/cpu3/online && wait $_pid
}

check_eq "N46 packets of each CPU have a queue" "$(xps)" "1 2 4 8 "
check_eq "N46 interrupts have hints" "$(hints)" "1 1 2 2 4 4 8 8 "
check_eq "N5 interrupts have names" "$(grep -o "$vdev-[a-z]*\(\.[0-9]*\)\?" /proc/interrupts | tr '\n' ' ')" \
	"$vdev-config $vdev-input.0 $vdev-output.0 $vdev-input.1 $vdev-output.1 $vdev-input.2 $vdev-output.2 $vdev-input.3 $vdev-output.3 "
check "N46 traffic" nic_up "$nic" 0
ethtool -L "$nic" combined 2
check_eq "N46 fewer queues have more CPUs each" "$(xps)" "3 c "
ethtool -L "$nic" combined 4
check "N46 a CPU goes offline under traffic" offline_under_traffic
check_eq "N46 the others have its packets" "$(xps)" "1 2 4 1 "
check "N46 traffic on three CPUs" ping -c3 -i0.2 "$NET_HOST"
check "N46 the CPU comes back" sh -c "echo 1 >/sys/devices/system/cpu/cpu3/online"
check "N46 all as before" wait_for 5 xps_is "1 2 4 8 "
check_eq "N46 hints as before" "$(hints)" "1 1 2 2 4 4 8 8 "
check "N46 traffic on four CPUs" ping -c3 -i0.2 "$NET_HOST"

# Interrupts of the transmit queues. Without TX NAPI, there is none unless a queue is full.
tx_interrupts() {
	awk -v dev="$vdev-output" 'index($0, dev) { for (i = 2; i <= 5; i++) n += $i } END { print n + 0 }' /proc/interrupts
}

# Interrupts are not spread while a CPU goes: the interface does without those of transmit queues then.
bounce() {
	for _ in $(seq 1 8); do
		echo 0 >/sys/devices/system/cpu/cpu3/online
		echo 1 >/sys/devices/system/cpu/cpu3/online
	done &
	_pid=$!
	while kill -0 $_pid 2>/dev/null; do
		ip link set "$nic" down
		ip link set "$nic" up
	done
	wait $_pid
}
check "N46 the interface goes down and up while a CPU goes and comes" bounce
check "N46 traffic after that" nic_up "$nic" 0
before=$(tx_interrupts)
ping -q -c20 -i0.1 "$NET_HOST" >/dev/null
check "N46 transmitted packets are found by interrupts" test "$(tx_interrupts)" -gt "$before"
