# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Asks the host for something over the machine channel.
#
#	host qmp '{"execute":"query-status"}'	one monitor command; prints the reply as JSON
#	host sh 'ping -c1 192.0.2.2'		a command in the network on the host's side
#	host bg 'iperf3 -s'			the same, left running
#	host run NAME [ARGUMENT]		an action of the test that started the guest
#
# Returns the status of what was asked. Without a host behind the channel (a script run by hand in
# some other guest), have_host fails and scripts skip what needs it.

have_host() {
	[ -n "$HARNESS_HOST_FD" ]
}

# need_host: skips the whole script where there is no host to ask.
need_host() {
	have_host || skip_all "no host channel"
}

host() {
	have_host || return 127
	# One request at a time; a directory is a lock that every shell has.
	until mkdir /run/harness/host.lock 2>/dev/null; do sleep 0.1; done
	printf 'host %s\n' "$*" >&3
	read -r _status _text <&3
	rmdir /run/harness/host.lock
	[ -n "$_text" ] && printf '%b\n' "$_text"
	return "${_status:-1}"
}

# qmp JSON: shorthand.
qmp() {
	host qmp "$1"
}

# qmp_cmd NAME [ARGUMENTS as JSON]: shorthand.
qmp_cmd() {
	host qmp "{\"execute\":\"$1\",\"arguments\":${2:-{\}}}"
}

# wait_for_slot: waits until a device may be plugged in where one was unplugged. For a second after it has turned the
# power of a slot off, the kernel's driver of hot-plug ports ignores that a device is there.
wait_for_slot() {
	sleep 2
}

# unplug_device ID COMMAND...: has QEMU ask the guest to let go of a device, until COMMAND says that it has. A request
# that comes while the guest still does something else to the slot is lost, and may be made again after some seconds.
unplug_device() {
	qmp_cmd device_del "{\"id\":\"$1\"}" >/dev/null || return 1
	_unplugged=$1
	shift
	wait_for 60 unplugged_or_asked "$@"
}

unplugged_or_asked() {
	"$@" && return 0
	qmp_cmd device_del "{\"id\":\"$_unplugged\"}"
	return 1
}

# wait_for_device COMMAND...: waits until COMMAND finds a device that was plugged in. A guest that has missed the event of
# a slot is told to look.
wait_for_device() {
	try_for 20 "$@" && return 0
	echo 1 >/sys/bus/pci/rescan
	wait_for 60 "$@"
}

# add_socket ID PATH: has QEMU connect to a socket in the run directory, as character device ID, and do so
# again when the other end has gone and come back.
add_socket() {
	_socket="\"server\":false,\"reconnect-ms\":200,\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"$2\"}}"
	qmp_cmd chardev-add "{\"id\":\"$1\",\"backend\":{\"type\":\"socket\",\"data\":{$_socket}}}" >/dev/null
}
