#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# classic.sh DRIVER out|in stream SECONDS: one TCP stream through the NIC of a driver: Mbit/s at the
# receiver, and its interrupts.
#
# classic.sh DRIVER out|in count MEGABYTES: moves so much between two marks of the QEMU plugin.
#
# NIC 0 is a virtio one and goes from driver to driver; NIC 1 is an emulated card that stays with its own.

# shellcheck source=devices.sh
. /run/harness/job/devices.sh
need iperf3 jq

driver=$1 way=$2 what=$3 amount=$4
reverse=
[ "$way" = in ] && reverse=-R

case $driver in
e1000)
	nic=$(nic_by_index 1) || fail "there is no NIC 1"
	[ "$(driver_of "$nic")" = "$driver" ] || fail "$nic is not with $driver"
	bring_up "$nic" 1
	;;
*) give_nic net0 "$driver" ;;
esac

# interrupts: prints how many the NIC has had. Those of virtio are called by the device, others by the
# interface.
interrupts() {
	case $driver in
	e1000)
		awk -v nic="$nic" '$NF == nic {
			for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i
		} END { print sum + 0 }' /proc/interrupts
		;;
	*) irqs_of "$nic" ;;
	esac
}

# run ARGUMENTS: the client; its report goes to /tmp/iperf.
run() {
	iperf3 -J -c "$net.1" -p 5201 $reverse "$@" >/tmp/iperf ||
		fail "iperf3: $(jq -r '.error // "failed"' /tmp/iperf)"
}

case $what in
stream)
	exits=$(host run exits)
	before=$(interrupts)
	run -t "$amount"
	after=$(interrupts)
	[ -n "$exits" ] && exits=$(($(host run exits) - exits))
	jq -c --argjson irqs $((after - before)) --argjson exits "${exits:-null}" '.end.sum_received |
		{mbit_s: (.bits_per_second / 1e6), irqs_s: ($irqs / .seconds),
		irqs_mb: ($irqs / .bytes * 1e6)} + (if $exits == null then {} else
		{exits_s: ($exits / .seconds), exits_mb: ($exits / .bytes * 1e6)} end)' /tmp/iperf >/tmp/sample
	;;
count)
	/run/harness/job/mark begin $((HARNESS_TURN + 1)) || fail "no mark can be set"
	run -n "${amount}M"
	/run/harness/job/mark end $((HARNESS_TURN + 1))
	jq -c '{mb: (.end.sum_received.bytes / 1e6)}' /tmp/iperf >/tmp/sample
	;;
*)
	fail "there is no $what"
	;;
esac
grep -q . /tmp/sample || fail "nothing was measured"
echo "sample $(cat /tmp/sample)"
