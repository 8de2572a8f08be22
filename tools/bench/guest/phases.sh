#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# phases.sh prepare; phases.sh carry-out
#
# Carries out a plan of phases inside a guest whose virtio devices no driver has taken yet. The plan,
# /run/harness/job/plan, is read line by line:
#
#	use ITEM ADDRESS KIND DRIVER		gives the device at a PCI address to a driver
#	run ITEM PHASE COUNT VERB MANY		work (see work.c); phase 0 is a warm-up that is not counted
#	leave ITEM				takes the device from its driver
#
# Prints for the host:
#
#	symbols TEXT			what /proc/kallsyms has of modules, and _text: gzip in base64;
#					with HARNESS_ALL_SYMBOLS also of the kernel
#	features ITEM BITS		what device and driver agreed on
#	irqs PHASE COUNT
#	failed ITEM REASON		the rest of the item is left out

job=/run/harness/job
bus=/sys/bus/virtio

# irqs VIRTIO: prints the sum of the interrupts of a virtio device.
irqs() {
	awk -v dev="$1-" 'index($0, dev) {
		for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) sum += $i
	} END { print sum + 0 }' /proc/interrupts
}

# near VIRTIO: lets the interrupts of a virtio device come to processor 0, where the work is. A disk has
# a queue for each processor, with an interrupt of its own that cannot be moved.
near() {
	for _irq in $(awk -F: -v dev="$1-" 'index($0, dev) { print $1 + 0 }' /proc/interrupts); do
		echo 1 >"/proc/irq/$_irq/smp_affinity"
	done
}

failed() {
	echo "failed $item $*"
	name=
	[ -n "$dev" ] && echo "$dev" >"$bus/devices/$dev/driver/unbind" 2>/dev/null
	dev=
}

# wait_name DIRECTORY: waits for a disk or an interface to show up there and sets $name.
wait_name() {
	for _ in $(seq 200); do
		for _n in "$1"/*; do
			[ -e "$_n" ] && name=${_n##*/} && return 0
		done
		sleep 0.05
	done
	return 1
}

use() {
	dev=$(basename "/sys/bus/pci/devices/0000:00:$1"/virtio*)
	[ -d "$bus/devices/$dev" ] || { failed "no virtio device at $1"; return; }
	echo "$dev" >"$bus/drivers/$3/bind" 2>/tmp/error || {
		failed "$3 does not take the device: $(cat /tmp/error)"
		return
	}
	case $2 in
	blk) wait_name "$bus/devices/$dev/block" || { failed "$3 makes no disk"; return; } ;;
	net)
		wait_name "$bus/devices/$dev/net" || { failed "$3 makes no interface"; return; }
		ip link set "$name" up && ip addr add 10.0.2.15/24 dev "$name" &&
			arp -i "$name" -s 10.0.2.2 52:55:0a:00:02:02 ||
			{ failed "the interface does not come up"; return; }
		near "$dev"
		;;
	esac
	echo "features $item $(cat "$bus/devices/$dev/features")"
}

run() {
	case $3 in
	read | write) target=/dev/$name ;;
	feed) feed_up && target=$feed ;;
	*) target=$name ;;
	esac
	if [ "$1" = 0 ]; then
		# On a new wire the first packets can get lost.
		for _ in 1 2 3; do
			"$job/work" 0 "$2" "$3" "$target" "$4" >/tmp/error 2>&1 && return
		done
		failed "warming up: $(cat /tmp/error)"
		return
	fi
	before=$(irqs "$dev")
	"$job/work" "$1" "$2" "$3" "$target" "$4" >/tmp/error 2>&1 || {
		failed "$2 times $3: $(cat /tmp/error)"
		return
	}
	echo "irqs $1 $(($(irqs "$dev") - before))"
}

leave() {
	echo "$dev" >"$bus/devices/$dev/driver/unbind"
	[ -n "$feed" ] && ip link set "$feed" down
	feed=
	name=
	dev=
}

# prepare: loads the drivers, none of which takes a device yet, and prints the symbols.
prepare() {
	echo 0 >$bus/drivers_autoprobe
	# Nothing speaks on an interface but the work.
	echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
	for module in $HARNESS_DRIVERS; do
		modprobe "$module" || echo "failed - modprobe $module"
	done
	awk -v all="$HARNESS_ALL_SYMBOLS" '$2 ~ /[tTwW]/ && (all || $4 || $3 == "_text")' /proc/kallsyms |
		gzip | base64 | sed 's/^/symbols /'
}

# feed_up: brings up the e1000 that sends what others receive, and sets $feed. It stays down at other
# times, as it looks after itself every other second.
feed_up() {
	[ -n "$feed" ] && return
	for _n in /sys/class/net/*; do
		case $(readlink "$_n/device/driver") in
		*/e1000) feed=${_n##*/} && ip link set "$feed" up ;;
		esac
	done
	for _ in $(seq 200); do
		[ "$(cat "/sys/class/net/$feed/carrier")" = 1 ] && return
		sleep 0.05
	done
}

carry_out() {
	name=
	dev=
	feed=
	while read -r verb item a b c d; do
		[ "$verb" = use ] || [ -n "$name" ] || continue
		case $verb in
		use) use "$a" "$b" "$c" ;;
		run) run "$a" "$b" "$c" "$d" ;;
		leave) leave ;;
		esac
	done <$job/plan
}

case $1 in
prepare) prepare ;;
carry-out) carry_out ;;
esac
