#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# demo.sh check BLK NET: gives the second disk and the NIC to these drivers and does with them what people do
# demo.sh reread BLK NET: reads with these drivers what the others have written
# demo.sh end: looks at the kernel log of all that came after
#
# Prints lines for the host to put into its table:
#
#	check <name>|<ok, or what must be the same, or "failed">
#	detail <why it failed>
#	value <name>|<text>
#
# Checks must come out the same on both families of drivers.

# shellcheck source=../bench/guest/devices.sh
. /run/harness/job/devices.sh

check() {
	_name=$1
	shift
	if _out=$("$@" 2>&1); then
		echo "check $_name|ok"
	else
		echo "check $_name|failed"
		printf '%s\n' "$_out" | tail -n 20 | sed 's/^/detail /'
	fi
}

value() {
	echo "value $1|$2"
}

# Bytes that were written, read again, and were the same.
compared=0

tree_sum() {
	(cd /tmp/disk/tree && find . -type f | sort | xargs sha256sum | sha256sum | cut -c1-16)
}

# The kernel log from `dmesg -C` on.
quiet() {
	! dmesg -r | grep "^<[0-3]>"
}

# --- disk ---------------------------------------------------------------------------------------

# Block size, depth and amount (MiB) of each job: enough to fill the depth.
JOBS="4k:1:8 4k:16:16 4k:64:16 64k:1:16 64k:16:32 64k:64:32 1M:1:32 1M:16:48 1M:64:96"

# verify: writes with fio, reads again and compares, in all sizes and depths.
verify() {
	set --
	for job in $JOBS; do
		bs=${job%%:*} depth=${job#*:} size=${job##*:}
		depth=${depth%%:*}
		set -- "$@" --name="$bs, depth $depth" --stonewall --filename="/tmp/disk/fio-$bs-$depth" \
			--bs="$bs" --iodepth="$depth" --size="${size}M" --unlink=1
	done
	fio --rw=randwrite --ioengine=libaio --direct=1 --verify=crc32c --do_verify=1 --verify_fatal=1 \
		--randseed=1 --output-format=terse --terse-version=3 --output=/tmp/fio.out "$@" \
		>/tmp/fio.err 2>&1
	for job in $JOBS; do
		bs=${job%%:*} depth=${job#*:} size=${job##*:}
		depth=${depth%%:*}
		name="fio $bs, depth $depth: $size MiB written and verified"
		# Fields of fio's terse output: 3 name, 5 error, 6 KiB read, 47 KiB written.
		if awk -F';' -v name="$bs, depth $depth" -v kib=$((size * 1024)) '
			$3 == name && $5 == 0 && $6 == kib && $47 == kib { found = 1 }
			END { exit !found }' /tmp/fio.out; then
			echo "check $name|ok"
			compared=$((compared + size * 1048576))
		else
			echo "check $name|failed"
			tail -n 20 /tmp/fio.err | sed 's/^/detail /'
			cut -c1-200 /tmp/fio.out | sed 's/^/detail /'
		fi
	done
}

# write_tree: the same tree each time, 200 files of 1 byte to 300 kB, made from their own numbers; prints
# how many bytes it has.
write_tree() {
	python3 - /tmp/disk/tree <<'END'
import os, random, sys
top, total = sys.argv[1], 0
for number in range(200):
    data = random.Random(number)
    path = f"{top}/{number % 7}/{number % 11}"
    os.makedirs(path, exist_ok=True)
    with open(f"{path}/{number}", "wb") as out:
        total += out.write(data.randbytes(1 + data.randrange(300000)))
print(total)
END
}

check_disk() {
	check "mkfs.ext4 on the second disk" mkfs.ext4 -q -F -E lazy_itable_init=0 "/dev/$disk"
	check "mount" mount "/dev/$disk" /tmp/disk
	verify
	bytes=$(write_tree)
	before=$(tree_sum)
	check "sync and umount" sh -c 'sync && umount /tmp/disk'
	check "fsck finds nothing to repair" e2fsck -f -n "/dev/$disk"
	echo 3 >/proc/sys/vm/drop_caches
	check "mount again" mount "/dev/$disk" /tmp/disk
	check "the file tree is as it was written" test "$before" = "$(tree_sum)"
	echo "check checksum of the file tree|$before"
	compared=$((compared + bytes))
	echo "$before" >/run/harness/tree-sum
}

# --- network ------------------------------------------------------------------------------------

listening() {
	host sh "ss -ltn | grep -q ':$1 '"
}

arrived() {
	test "$sum" = "$(host sh 'sha256sum <back')"
}

check_net() {
	cat >/tmp/udhcpc.sh <<'END'
#!/bin/sh
[ "$1" = bound ] && ip addr replace "$ip/24" dev "$interface" && echo "$ip" >/tmp/lease
exit 0
END
	chmod +x /tmp/udhcpc.sh
	rm -f /tmp/lease
	ip link set "$nic" up
	check "DHCP gives an address" busybox udhcpc -n -q -t 20 -i "$nic" -s /tmp/udhcpc.sh
	echo "check address by DHCP|$(cat /tmp/lease 2>/dev/null || echo failed)"
	ip -6 addr replace fd00:0::2/64 dev "$nic" nodad
	check "ping, 20 packets" ping -q -c 20 -i 0.1 -W 5 192.0.2.1
	check "ping of 60000 bytes" ping -q -c 3 -i 0.2 -s 60000 -W 5 192.0.2.1
	check "ping over IPv6" ping -q -c 5 -i 0.2 -W 5 fd00:0::1
	sum=$(host sh 'head -c 64M /dev/urandom >big && sha256sum <big')
	host bg 'exec socat -u FILE:big TCP-LISTEN:7001,reuseaddr' >/dev/null
	wait_for 30 listening 7001
	check "64 MiB fetched" socat -u TCP:192.0.2.1:7001 CREATE:/tmp/disk/big
	check "the fetched file is the host's" test "$sum" = "$(sha256sum </tmp/disk/big)"
	host bg 'exec socat -u TCP-LISTEN:7002,reuseaddr CREATE:back' >/dev/null
	wait_for 30 listening 7002
	check "64 MiB sent" socat -u FILE:/tmp/disk/big TCP:192.0.2.1:7002
	check "the sent file arrived as it was" wait_for 10 arrived
	host sh 'rm -f big back'
	compared=$((compared + 128 * 1048576))
}

# --- all ----------------------------------------------------------------------------------------

# take BLK NET: gives the second disk and the NIC to drivers, for the time of this script.
take() {
	mkdir -p /tmp/disk
	give_disk blk0 "$1"
	dev=$(device net0)
	give "$dev" "$2"
	wait_for 30 interface_of "$dev" || fail "$2 makes no interface of net0"
	nic=$(interface_of "$dev")
}

# ring_of_all: prints the provider of the rings.
ring_of_all() {
	for m in virtio_ring rust_virtio_ring; do
		if grep -qs "/$m.ko" "/lib/modules/$(uname -r)/modules.builtin"; then
			echo "$m, built in"
		elif [ -d "/sys/module/$m" ]; then
			echo "$m"
		fi
	done
}

case $1 in
check)
	dmesg -C
	take "$2" "$3"
	value "driver of the root disk" "$(driver_of "$(disk_by_serial harness-root)")"
	value "driver of the second disk" "$(driver_of "$disk")"
	value "driver of the NIC" "$(driver_of "$nic")"
	value "ring" "$(ring_of_all)"
	check_disk
	check_net
	check "umount" umount /tmp/disk
	check "nothing in the kernel log but information" quiet
	value "bytes compared" "$compared"
	;;
reread)
	take "$2" "$3"
	check "mount what the other driver wrote" mount "/dev/$disk" /tmp/disk
	check "its file tree is as it was written" test "$(cat /run/harness/tree-sum)" = "$(tree_sum)"
	check "umount that" umount /tmp/disk
	;;
end)
	check "nothing in the kernel log but information, from there to the end" quiet
	;;
*)
	fail "there is no $1"
	;;
esac
