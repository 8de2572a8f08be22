#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The sample driver (samples/rust_virtio_rng.rs) on two entropy devices, one of which never answers.
#
# guest: {"devices":[
# guest:  {"kind":"rng","id":"rng","props":{"rng":"seed"},"before":["-object","rng-builtin,id=seed"]},
# guest:  {"kind":"rng","id":"mute","props":{"rng":"none"},
# guest:   "before":["-chardev","null,id=nobody","-object","rng-egd,id=none,chardev=nobody"]}]}
# transports: pci mmio

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
. "$(dirname "$0")/../lib/front.sh"
need_host
rng=/sys/class/misc/hw_random
drivers=/sys/bus/virtio/drivers
modprobe rust_virtio_rng || skip_all "the sample is not built"
tap_plan 19

# rngs: prints the virtio devices on the driver.
rngs() {
	(cd "$drivers/rust_virtio_rng" && ls -d virtio*) 2>/dev/null
}

# names: prints the generators of the driver.
names() {
	grep -o 'virtio_rng[^ ]*' $rng/rng_available | tr '\n' ' ' | sed 's/ $//'
}

# choose NAME: has the kernel read from a generator. Its thread leaves the one before only when it is stopped,
# and nobody else can read while it waits.
choose() {
	within 20 sh -c "echo none >$rng/rng_current" && echo "$1" >$rng/rng_current && [ "$(cat $rng/rng_current)" = "$1" ]
}

# answers: a read ends. One of a silent device waits, or waits for the kernel's own thread, which does.
# As many bytes as the core keeps: none are left over for the next read.
answers() {
	within 20 dd if=/dev/hwrng of=/dev/null bs=64 count=1 2>/dev/null
}

# start_reader: starts a read, and returns when it waits.
start_reader() {
	rm -f /tmp/reader.*
	(
		dd if=/dev/hwrng of=/dev/null bs=64 count=1 2>/tmp/reader.log &
		echo $! >/tmp/reader.pid
		wait $!
		echo $? >/tmp/reader.status
	) >/dev/null 2>&1 &
	wait_for 20 is_waiting
}

is_waiting() {
	_pid=$(cat /tmp/reader.pid) && grep -q '^State:.S' "/proc/$_pid/status" &&
		readlink "/proc/$_pid/fd/0" | grep -qx /dev/hwrng
}

# reader_ends: the read has ended, or ends soon, and failed.
reader_ends() {
	wait_for 20 test -s /tmp/reader.status && [ "$(cat /tmp/reader.status)" != 0 ]
}

# reader_is_killed: a signal ends the read.
reader_is_killed() {
	kill "$(cat /tmp/reader.pid)" && reader_ends
}

# reader_loses_device: the read ends as the device is gone.
reader_loses_device() {
	reader_ends && grep 'No such device' /tmp/reader.log
}

check_eq "both devices are on the driver" "$(rngs | wc -l)" 2
layouts=$(for v in $(rngs); do layout_of "$v"; done | sort -u)
check_eq "they have the layout asked for" "$layouts" "$HARNESS_LAYOUT"
check_eq "they have the names that the driver in C gives" "$(names)" "virtio_rng.0 virtio_rng.1"

# Which is which is seen by what they answer.
choose virtio_rng.0
if answers; then
	good=virtio_rng.0
	mute=virtio_rng.1
else
	good=virtio_rng.1
	mute=virtio_rng.0
fi
# They are numbered in the order in which they were bound.
good_dev=$(rngs | sort -V | sed -n $((${good#virtio_rng.} + 1))p)
mute_dev=$(rngs | sort -V | sed -n $((${mute#virtio_rng.} + 1))p)

check "one is chosen" choose $good
check "what is read is random" front_rng $good

check "the silent one is chosen" choose $mute
check "a read waits for it" start_reader
check "a signal ends the read" reader_is_killed
# The kernel's own thread waits for it, too.
check "it is no more used" within 20 sh -c "echo none >$rng/rng_current"

choose $mute
start_reader
check "the silent one is unbound under a read" within 20 sh -c "echo $mute_dev >$drivers/rust_virtio_rng/unbind"
check "the read fails as the device is gone" reader_loses_device
check_eq "the other one is there" "$(names)" $good
check "it is bound again" sh -c "echo $mute_dev >$drivers/rust_virtio_rng/bind"
check_eq "it has a name again" "$(names | wc -w)" 2

sleep_once() {
	choose $mute && start_reader || return 1
	_s=1
	echo devices >/sys/power/pm_test && echo mem >/sys/power/state && _s=0
	echo none >/sys/power/pm_test
	[ "$(cat $rng/rng_current)" = $mute ] || return 1
	reader_is_killed && return $_s
}
check "devices sleep with a read that waits" sleep_once
works() {
	choose $good && front_rng $good
}
check "what is read after that is random" works

# By the host, which waits until the guest lets go of it.
unplugged() {
	choose $mute && start_reader || return 1
	unplug_device mute test ! -e "/sys/bus/virtio/devices/$mute_dev" && reader_loses_device
}
if [ "$HARNESS_TRANSPORT" = pci ]; then
	check "the silent one is unplugged under a read" unplugged
else
	skip "the silent one is unplugged under a read" "no hot plug on this bus"
fi

reset_function() {
	_pci=$(readlink -f "/sys/bus/virtio/devices/$good_dev/..")
	choose $good && echo 1 >"$_pci/reset" && works
}
if [ "$HARNESS_TRANSPORT" = pci ]; then
	check "what is read is random after a reset of the function" reset_function
else
	skip "what is read is random after a reset of the function" "no such reset on this bus"
fi

unload() {
	choose $good && modprobe -r rust_virtio_rng && [ -z "$(names)" ] && [ -e /dev/hwrng ]
}
check "the driver is unloaded" unload

cleanup() {
	modprobe -r rust_virtio_rng
}
