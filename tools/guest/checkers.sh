# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# What the checkers of a debug kernel know and have not said, in the kernel log; nothing on other kernels.
# Source it. harness/guest/console.py takes what it prints for complaints of the kernel.

complain() {
	echo "harness: complaint: $*" >/dev/kmsg
}

# Lockdep and the DMA checker switch themselves off where they run out of memory, which is no success of
# what they have not checked.
check_checkers() {
	if grep -qs '^ debug_locks: *0$' /proc/lockdep_stats; then
		complain "lockdep has switched itself off"
	fi
	if [ "$(cat /sys/kernel/debug/dma-api/disabled 2>/dev/null)" = Y ]; then
		complain "the DMA checker has switched itself off"
	fi
}

# Prints what kmemleak lists, once for each place that objects come from, with their number. Lines of a
# backtrace are those behind its heading.
leaks_by_place() {
	awk '
		function note() {
			if (head == "") return
			if (!(place in count)) { order[++places] = place; first[place] = head }
			count[place]++
			head = place = ""
		}
		/^unreferenced object/ { note(); head = $0; inside = 0; next }
		/^ *backtrace/ { inside = 1; next }
		inside { place = place "\n" $0 }
		END {
			note()
			for (i = 1; i <= places; i++)
				print count[order[i]] " like " first[order[i]] order[i]
		}'
}

# Objects that nothing points at. They are not taken for lost in the first scan that finds them, as they may
# have been on their way from one place to another, nor before they are five seconds old.
check_leaks() {
	leaks=/sys/kernel/debug/kmemleak
	[ -w $leaks ] || return 0
	sleep 6
	echo scan >$leaks && echo scan >$leaks || return 0
	leaks_by_place <$leaks | head -n 600 | while read -r line; do echo "kmemleak: $line" >/dev/kmsg; done
}
