#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# memory.sh DRIVER DEVICE,DEVICE,...: for each list of like devices, prints how many bytes of memory one
# of them takes while the driver has it, NICs with their interfaces up. They are taken all at once, so
# that what goes on elsewhere matters less.

. /run/harness/job/devices.sh

# Caches of what processes and files take.
PROCESSES="^(task_struct|mm_struct|vm_area_struct|anon_vma|signal_cache|sighand_cache|files_cache|"
PROCESSES="${PROCESSES}fs_cache|pid|cred|filp|names_cache|dentry|.*inode_cache|maple_node|radix_tree_node)"

driver=$1
shift

# settle: makes the kernel give back what it keeps in reserve.
settle() {
	sync
	# Freed objects may wait for a grace period and for the worker that ends it.
	sleep 0.3
	echo 3 >/proc/sys/vm/drop_caches
	for cache in /sys/kernel/slab/*/shrink; do
		echo 1 >"$cache"
	done 2>/dev/null
	# Each processor keeps differences to the counts for a while.
	echo 1 >/proc/sys/vm/stat_refresh
}

# used: prints the bytes that are in use, up to a constant: the objects of slab caches, each with the size
# it has there, and the other pages that are not free. Whole slabs would add what is free in them. What
# processes take is left out, and what caches of files take.
used() {
	settle
	awk -v page="$page" -v processes="$PROCESSES" '
	FILENAME == "/proc/slabinfo" {
		if ($1 == "slabinfo" || $1 == "#") next
		for (i = 7; i < NF && $i != "slabdata"; i++);
		other += $(i + 2) * $6
		if ($1 !~ processes) objects += $2 * $4
		next
	}
	$1 == "nr_kernel_stack" { other += $2 * 1024 / page }
	$1 ~ /^(nr_free_pages|count:|nr_page_table_pages|nr_anon_pages|nr_file_pages)$/ { other += $2 }
	END { printf "%.0f\n", objects - other * page }' /proc/slabinfo /proc/zoneinfo
}

take() {
	case $1 in
	blk*) give_disk "$1" "$driver" ;;
	net*) give_nic "$1" "$driver" ;;
	*) fail "there is no kind of device $1" ;;
	esac
}

[ -r /proc/slabinfo ] || {
	echo "skip the kernel has no /proc/slabinfo"
	exit 0
}

page=$(getconf PAGESIZE 2>/dev/null || echo 4096)
found=
for list in "$@"; do
	names=$(echo "$list" | tr , ' ')
	count=0
	for name in $names; do
		let_go "$(device "$name")"
		count=$((count + 1))
	done
	before=$(used)
	for name in $names; do
		take "$name"
	done
	meanwhile=$(used)
	for name in $names; do
		let_go "$(device "$name")"
	done
	after=$(used)
	# What came into use elsewhere counts half.
	found="$found,\"${list%%,*}\":$(((2 * meanwhile - before - after) / 2 / count))"
done
echo "sample {${found#,}}"
