#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Sizes of rings that change: what is refused, with which error, and traffic in both directions at the time of
# many changes. The argument is the layout of the rings. Both drivers have to pass.
#
# case: split split {"vcpus":4,"net":[{"queues":4,"props":{"rx_queue_size":1024}}]}
# case: packed packed {"vcpus":4,"net":[{"queues":4,"props":{"rx_queue_size":1024,"packed":"on"}}]}
# case: dma split {"vcpus":4,"net":[{"queues":4,"props":{"rx_queue_size":1024,"iommu_platform":"on"}}]}
# case: big split {"vcpus":4,"net":[{"queues":4,"props":{"rx_queue_size":1024,"mrg_rxbuf":"off"}}]}

. "$(dirname "$0")/../lib/tap.sh"
. "$(dirname "$0")/../lib/net.sh"
need_host
tap_plan 32

layout=$1
nic=$(nic_by_index 0)
tmp=/run/harness/rings

cleanup() {
	touch $tmp.stop
	ethtool -G "$nic" rx 1024 tx 256
	echo 0 >/sys/kernel/tracing/events/skb/kfree_skb/enable
	rm -f $tmp.*
}

# sizes: prints the largest and the current sizes: receive, then transmit.
sizes() {
	ethtool -g "$nic" | awk '/^RX:/ { rx = rx " " $2 } /^TX:/ { tx = tx " " $2 } END { print rx tx }'
}

# errno_of RX TX [MINI JUMBO]: prints the error of setting the sizes, or 0.
errno_of() {
	python3 - "$nic" "$@" <<-'END'
		import array, errno, fcntl, socket, struct, sys
		name, rx, tx, *rest = sys.argv[1:]
		mini, jumbo = rest or (0, 0)
		# struct ethtool_ringparam
		sizes = array.array("I", [0x11, 0, 0, 0, 0, int(rx), int(mini), int(jumbo), int(tx)])
		request = struct.pack("16sP", name.encode(), sizes.buffer_info()[0])
		try:
		    fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0x8946, request)
		    print(0)
		except OSError as error:
		    print(errno.errorcode[error.errno])
	END
}

# changes: changes the sizes until it is stopped. Counts the changes.
changes() {
	while true; do
		for _sizes in "256 64" "1024 256" "32 32" "512 128" "1024 32" "64 256"; do
			[ -e $tmp.stop ] && return
			# shellcheck disable=SC2086 # two sizes
			set -- $_sizes
			ethtool -G "$nic" rx "$1" tx "$2" || return 1
			[ "$(sizes)" = " 1024 $1 256 $2" ] || return 1
			echo >>$tmp.changes
			sleep 0.2
		done
	done
}

# while_changing COMMAND...: runs COMMAND while the sizes change at least ten times.
while_changing() {
	rm -f $tmp.*
	changes >$tmp.log 2>&1 &
	_changes=$!
	_result=0
	while [ "$_result" = 0 ] && [ "$(cat $tmp.changes 2>/dev/null | wc -l)" -lt 10 ]; do
		"$@" || _result=1
	done
	touch $tmp.stop
	wait $_changes || _result=1
	cat $tmp.log
	diag "$(wc -l <$tmp.changes) changes"
	return $_result
}

# ring_sizes: prints the size of each ring, as the files in debugfs have it.
ring_sizes() {
	cat "/sys/kernel/debug/rust_virtio_ring/$(basename "$(readlink -f "/sys/class/net/$nic/device")")"-* |
		awk '/^size:/ { print $2 }'
}

# watched: reads the file of each queue in debugfs. A queue that is just given another ring has no file. At least
# five of the nine have one, with a size that a queue may have just now.
watched() {
	ring_sizes >$tmp.seen
	[ "$(wc -l <$tmp.seen)" -ge 5 ] && ! grep -qvxE '32|64|128|256|512|1024' $tmp.seen
}

# quiet: whether no byte is outstanding in any transmit queue.
quiet() {
	[ "$(cat "/sys/class/net/$nic"/queues/tx-*/byte_queue_limits/inflight | sort -u)" = 0 ]
}

# dropped: prints the packets that the driver could not add to a ring, and those that found no ring. Packets that
# were in a ring when its size changed are lost, and not among these.
dropped() {
	cat "/sys/class/net/$nic/statistics/tx_fifo_errors"
	grep -c 'reason: DEV_READY' /sys/kernel/tracing/trace
}

check_eq "N51 sizes at first" "$(sizes)" " 1024 1024 256 256"
check "N94 the device can reset a queue" has_feature "$nic" 40

kmsg_mark
check_eq "N94 a receive ring that is too large" "$(errno_of 2048 256)" EINVAL
check_eq "N94 a transmit ring that is too large" "$(errno_of 1024 512)" EINVAL
check_eq "N94 a receive ring of no descriptor" "$(errno_of 0 256)" EINVAL
check_eq "N94 a transmit ring of no descriptor" "$(errno_of 1024 0)" EINVAL
check_eq "N94 a transmit ring that is too small" "$(errno_of 1024 19)" EINVAL
check_eq "N94 mini buffers" "$(errno_of 1024 256 1 0)" EINVAL
check_eq "N94 jumbo buffers" "$(errno_of 1024 256 0 1)" EINVAL
check_eq "N94 no size has changed" "$(sizes)" " 1024 1024 256 256"
check "N94 the message about a small ring" was_said "$nic: tx size (19) cannot be smaller than 19"
check "N94 the message about a failure" was_said "$nic: resize rx fail: rx queue index: 0 err: -22"
if [ "$layout" = packed ]; then
	check_eq "N94 a size that is no power of two" "$(errno_of 1000 20)" 0
	check_eq "N94 the sizes then" "$(sizes)" " 1024 1000 256 20"
	ethtool -G "$nic" rx 1024 tx 256
else
	# The Rust ring looks at the size before it resets the queue.
	wanted=ENOMEM
	[ -d /sys/module/rust_virtio_ring ] && wanted=EINVAL
	check_eq "N94 a size that is no power of two" "$(errno_of 1000 256)" $wanted
	check_eq "N94 the sizes then" "$(sizes)" " 1024 1024 256 256"
fi

check_eq "N94 smaller while down" "$(errno_of 256 64)" 0
check_eq "N94 the sizes while down" "$(sizes)" " 1024 256 256 64"
check "N94 traffic on small rings" nic_up "$nic" 0
check "N94 two-way TCP on small rings" iperf_ok 2 --bidir -P 4
echo 1 >/sys/kernel/tracing/events/skb/kfree_skb/enable
before=$(dropped)
check "N94 larger while up" ethtool -G "$nic" rx 1024 tx 256
check "N94 traffic on large rings" ping -c3 -i0.2 "$NET_HOST"

check "N94 a file arrives at the host during changes" while_changing upload 16
check "N94 a file arrives from the host during changes" while_changing download 16
check "N94 two-way TCP during changes" while_changing iperf_ok 5 --bidir -P 4
if [ "$HARNESS_RING" = rust ]; then
	check "N94 the files of the queues during changes" while_changing watched
	check_eq "N94 each queue has its file again" "$(ring_sizes | wc -l)" 9
else
	skip "N94 the files of the queues during changes" "the C ring has none"
	skip "N94 each queue has its file again" "the C ring has none"
fi
check "N94 N58 no byte is outstanding" wait_for 30 quiet
check_eq "N94 no packet found its ring missing or full" "$(dropped)" "$before"
check "N94 traffic after that" ping -c3 -i0.2 "$NET_HOST"

check "N94 smaller again" ethtool -G "$nic" rx 128 tx 32
check "N94 N44 fewer pairs" ethtool -L "$nic" combined 2
check "N94 N44 all pairs again" ethtool -L "$nic" combined 4
check "N94 all pairs send and receive" iperf_ok 3 --bidir -P 8
