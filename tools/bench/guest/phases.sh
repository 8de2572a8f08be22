#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# phases.sh prepare; phases.sh carry-out
#
# Carries out a plan of phases inside a guest whose virtio devices no driver has taken yet. The plan,
# /run/harness/job/plan, is read line by line:
#
#	set ITEM NAME VALUE			for the next item: a variable (see paths.c), or one of these:
#		TAP				the TAP device on the host of the NIC whose packets are counted
#		CHANNELS, RINGS, MTU		of the NIC; RINGS are two sizes with a comma
#	use ITEM ADDRESS KIND DRIVER		gives the device at a PCI address to a driver
#	also ITEM ADDRESS DRIVER		gives it a second NIC, where packets go on
#	run ITEM PHASE COUNT VERB MANY		work (see work.c and paths.c); phase 0 is a warm-up that is not
#						counted
#	leave ITEM				takes the devices from their driver
#
# HARNESS_WIRES has the numbers of NICs that are on one wire.
#
# Prints for the host:
#
#	symbols TEXT			what /proc/kallsyms has of modules, and _text: gzip in base64;
#					with HARNESS_ALL_SYMBOLS also of the kernel
#	features ITEM BITS		what device and driver agreed on
#	irqs PHASE COUNT
#	bpf LINE			a line of /proc/kallsyms of a program that was compiled in the kernel
#	failed ITEM REASON		the rest of the item is left out

. /run/harness/selftests/lib/host.sh

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
	unbind
	forget
}

# unbind: takes the devices of the item from their driver.
unbind() {
	for _d in $dev $second; do
		echo "$_d" >"$bus/devices/$_d/driver/unbind" 2>/dev/null
	done
	dev=
	second=
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
		net_up || { failed "the interface does not come up: $(cat /tmp/error)"; return; }
		near "$dev"
		;;
	esac
	echo "features $item $(cat "$bus/devices/$dev/features")"
}

# net_up: gives the interface what the item wants it to have, and its addresses.
net_up() {
	: >/tmp/error
	if [ -n "$CHANNELS" ]; then
		"$job/ethset" "$name" channels "$CHANNELS" 2>/tmp/error || return
	fi
	if [ -n "$RINGS" ]; then
		"$job/ethset" "$name" rings "${RINGS%,*}" "${RINGS#*,}" 2>/tmp/error || return
	fi
	if [ -n "$MTU" ]; then
		ip link set "$name" mtu "$MTU" || return
	fi
	ip link set "$name" up || return
	if [ -z "$HOST" ] || [ "$HOST" = 10.0.2.2 ]; then
		ip addr add 10.0.2.15/24 dev "$name" && arp -i "$name" -s 10.0.2.2 52:55:0a:00:02:02
		return
	fi
	# Neither end has to ask for the address of the other.
	ip addr add "${HOST%.*}.2/24" dev "$name" &&
		arp -i "$name" -s "$HOST" "$(host sh "ip -br link show $TAP | awk '{ print \$3 }'")" &&
		host sh "ip neigh replace ${HOST%.*}.2 lladdr $(cat "/sys/class/net/$name/address") dev $TAP nud permanent"
}

# also ADDRESS DRIVER: packets for 10.0.3.2 leave by this NIC.
also() {
	second=$(basename "/sys/bus/pci/devices/0000:00:$1"/virtio*)
	echo "$second" >"$bus/drivers/$2/bind" 2>/tmp/error || {
		failed "$2 does not take the second device: $(cat /tmp/error)"
		return
	}
	_first=$name
	wait_name "$bus/devices/$second/net" || { failed "$2 makes no second interface"; return; }
	OTHER=$name
	name=$_first
	ip link set "$OTHER" up && ip addr add 10.0.3.15/24 dev "$OTHER" &&
		arp -i "$OTHER" -s 10.0.3.2 52:55:0a:00:03:02 && echo 1 >/proc/sys/net/ipv4/ip_forward || {
		failed "the second interface does not come up"
		return
	}
	near "$second"
}

# program VERB: prints the program that does a work.
program() {
	case $1 in
	read | write | echo | send | feed) echo "$job/work" ;;
	*) echo "$job/paths" ;;
	esac
}

# arrived: prints how many packets the host has had from the NIC that sends them.
arrived() {
	host sh "awk '\$1 == \"$TAP:\" { print \$3 }' /proc/net/dev"
}

run() {
	case $3 in
	read | write) target=/dev/$name ;;
	feed) feed_up && target=$feed ;;
	*) target=$name ;;
	esac
	case $3 in
	receive | forward | drop | tx | redirect | xsk-receive) feed_up && FEED=$feed ;;
	esac
	export FEED OTHER HOST BYTES FLOWS APART
	prog=$(program "$3")
	if [ "$1" = 0 ]; then
		# On a new wire the first packets can get lost.
		for _ in 1 2 3; do
			"$prog" 0 "$2" "$3" "$target" "$4" >/tmp/said 2>/tmp/error && return
		done
		failed "warming up: $(cat /tmp/error)"
		return
	fi
	case $3 in
	forward | tx | redirect | xsk-send | send-flows) sent=$(arrived) ;;
	*) sent= ;;
	esac
	before=$(irqs "$dev")
	[ -n "$second" ] && before=$((before + $(irqs "$second")))
	"$prog" "$1" "$2" "$3" "$target" "$4" >/tmp/said 2>/tmp/error || {
		failed "$2 times $3: $(cat /tmp/error)"
		return
	}
	after=$(irqs "$dev")
	[ -n "$second" ] && after=$((after + $(irqs "$second")))
	grep '^bpf ' /tmp/said
	# The program sends 512 packets to warm up.
	if [ -n "$sent" ] && [ "$(arrived)" != $((sent + $2 + 512)) ]; then
		failed "$(arrived) packets came out of the NIC and not $((sent + $2 + 512))"
		return
	fi
	echo "irqs $1 $((after - before))"
}

leave() {
	unbind
	[ -n "$feed" ] && ip link set "$feed" down
	feed=
	name=
	forget
}

# forget: what was set for an item ends with it.
forget() {
	unset TAP CHANNELS RINGS MTU FEED OTHER HOST BYTES FLOWS APART
}

# wires: puts NICs on one wire, on the host. They are ports of a bridge that learns no address.
wires() {
	_quiet='for n in all wire; do echo 1 >/proc/sys/net/ipv6/conf/$n/disable_ipv6; done; ip link set wire up'
	host sh "ip link add name wire type bridge mcast_snooping 0 forward_delay 0 && $_quiet" ||
		echo "failed - the host makes no bridge"
	for _n in $HARNESS_WIRES; do
		host sh "ip addr flush dev tap$_n; ip link set tap$_n master wire && bridge link set dev tap$_n learning off"
	done
}

# prepare: loads the drivers, none of which takes a device yet, and prints the symbols.
prepare() {
	echo 0 >$bus/drivers_autoprobe
	# Nothing speaks on an interface but the work.
	echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6
	# XDP programs are compiled, and their places can be asked for.
	echo 1 >/proc/sys/net/core/bpf_jit_enable
	echo 1 >/proc/sys/net/core/bpf_jit_kallsyms
	for module in $HARNESS_DRIVERS; do
		modprobe "$module" || echo "failed - modprobe $module"
	done
	[ -z "$HARNESS_WIRES" ] || wires
	awk -v all="$HARNESS_ALL_SYMBOLS" '$2 ~ /[tTwW]/ && (all || $4 || $3 == "_text")' /proc/kallsyms |
		gzip | base64 | sed 's/^/symbols /'
}

# feed_up: brings up the e1000 that sends what others receive, and sets $feed. It stays down at other
# times, as it looks after itself every other second.
feed_up() {
	[ -n "$feed" ] && return
	for _n in /sys/class/net/*; do
		case $(readlink "$_n/device/driver") in
		*/e1000)
			feed=${_n##*/}
			# Bursts that it has no room for would be cut.
			[ ! -d /proc/net/pktgen ] || "$job/ethset" "$feed" rings 256 4096
			ip link set "$feed" up
			;;
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
	second=
	feed=
	while read -r verb item a b c d; do
		case $verb in use | set) ;; *) [ -n "$name" ] || continue ;; esac
		case $verb in
		set) eval "$a=\$b" ;;
		use) use "$a" "$b" "$c" ;;
		also) also "$a" "$b" ;;
		run) run "$a" "$b" "$c" "$d" ;;
		leave) leave ;;
		esac
	done <$job/plan
}

case $1 in
prepare) prepare ;;
carry-out) carry_out ;;
esac
