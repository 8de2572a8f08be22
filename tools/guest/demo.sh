#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The work of the demo, inside the guest. Prints lines for the host to put into its table:
#
#	check <name>|<ok or what went wrong>
#	value <name>|<number or text>
#
# Checks must come out the same on both families of drivers; values are shown side by side.

# The helpers of the selftests find their files by this script's place.
. /run/rvt/selftests/lib/host.sh
. /run/rvt/selftests/lib/dev.sh

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

# phase NAME: interrupts and kicks are counted from here to phase_end.
phase() {
	phase_name=$1
	phase_dev=$2
	phase_irqs=$(irqs_of "$phase_dev")
	host run mark "$phase_name begin" >/dev/null
}

phase_end() {
	host run mark "$phase_name end" >/dev/null
	value "$phase_name: interrupts" $(($(irqs_of "$phase_dev") - phase_irqs))
}

root=$(disk_by_serial rvt-root)
disk=$(disk_by_serial blk0)
nic=$(nic_by_index 0)
[ -n "$disk" ] && [ -n "$nic" ] || {
	echo "check the devices are there|disk \"$disk\" NIC \"$nic\""
	exit 1
}

value "driver of the root disk" "$(driver_of "$root")"
value "driver of the second disk" "$(driver_of "$disk")"
value "driver of the NIC" "$(driver_of "$nic")"
value "ring" "$(cd /sys/module && ls -d virtio_ring rust_virtio_ring 2>/dev/null | tr '\n' ' ' |
	sed 's/ $//')"
value "virtio modules" "$(lsmod | awk '/virtio/ && !/pci|^virtio |virtio_ring / { print $1 }' |
	sort | tr '\n' ' ' | sed 's/ $//')"

# --- disk ---------------------------------------------------------------------------------------

mkdir -p /tmp/disk
check "mkfs.ext4 on the second disk" mkfs.ext4 -q -F -E lazy_itable_init=0 "/dev/$disk"
check "mount" mount "/dev/$disk" /tmp/disk

phase disk "$disk"
for job in 4k:1:8M 4k:16:16M 4k:64:16M 64k:1:32M 64k:16:64M 64k:64:64M 1M:1:96M 1M:16:96M 1M:64:96M; do
	bs=${job%%:*}
	depth=${job#*:}
	size=${depth#*:}
	depth=${depth%%:*}
	name="fio $bs, depth $depth"
	if fio --name=demo --filename=/tmp/disk/fio --rw=randwrite --bs="$bs" --iodepth="$depth" \
		--size="$size" --ioengine=libaio --direct=1 --verify=crc32c --do_verify=1 \
		--verify_fatal=1 --randseed=1 --output-format=json --output=/tmp/fio.json \
		>/tmp/fio.out 2>&1; then
		echo "check $name: written and verified|ok"
		value "$name: write, MB/s" "$(jq '.jobs[0].write.bw_bytes / 1e5 | round / 10' /tmp/fio.json)"
		value "$name: read, MB/s" "$(jq '.jobs[0].read.bw_bytes / 1e5 | round / 10' /tmp/fio.json)"
	else
		echo "check $name: written and verified|failed"
		tail -n 20 /tmp/fio.out | sed 's/^/detail /'
	fi
	rm -f /tmp/disk/fio
done
phase_end

# The same tree each time: 200 files of 1 byte to 300 kB, made from their own numbers.
python3 - /tmp/disk/tree <<'END'
import os, random, sys
top = sys.argv[1]
for number in range(200):
    data = random.Random(number)
    path = f"{top}/{number % 7}/{number % 11}"
    os.makedirs(path, exist_ok=True)
    with open(f"{path}/{number}", "wb") as out:
        out.write(data.randbytes(1 + data.randrange(300000)))
END
tree_sum() {
	(cd /tmp/disk/tree && find . -type f | sort | xargs sha256sum | sha256sum | cut -c1-16)
}
before=$(tree_sum)
check "sync and umount" sh -c 'sync && umount /tmp/disk'
check "fsck finds nothing to repair" e2fsck -f -n "/dev/$disk"
echo 3 >/proc/sys/vm/drop_caches
check "mount again" mount "/dev/$disk" /tmp/disk
check "the file tree is as it was written" test "$before" = "$(tree_sum)"
echo "check checksum of the file tree|$before"

# --- network ------------------------------------------------------------------------------------

cat >/tmp/udhcpc.sh <<'END'
#!/bin/sh
[ "$1" = bound ] && ip addr replace "$ip/24" dev "$interface" && echo "$ip" >/tmp/lease
exit 0
END
chmod +x /tmp/udhcpc.sh
ip link set "$nic" up
check "DHCP gives an address" busybox udhcpc -n -q -t 20 -i "$nic" -s /tmp/udhcpc.sh
echo "check address by DHCP|$(cut -d. -f1-3 /tmp/lease 2>/dev/null)"
ip -6 addr replace fd00:0::2/64 dev "$nic" nodad
check "ping, 20 packets" ping -q -c 20 -i 0.1 -W 5 192.0.2.1
check "ping of 60000 bytes" ping -q -c 3 -s 60000 -W 5 192.0.2.1
check "ping over IPv6" ping -q -c 5 -i 0.2 -W 5 fd00:0::1

host bg 'exec iperf3 -s' >/dev/null
moved=0
phase network "$nic"
for way in "to the host:" "from the host:-R"; do
	sleep 1
	name="iperf3 ${way%%:*}"
	if iperf3 -c 192.0.2.1 -t 10 -J ${way#*:} >/tmp/iperf.json 2>&1; then
		echo "check $name|ok"
		value "$name, Mbit/s" \
			"$(jq '.end.sum_received.bits_per_second / 1e6 | round' /tmp/iperf.json)"
		moved=$((moved + $(jq '.end.sum_received.bytes / 1e6 | round' /tmp/iperf.json)))
	else
		echo "check $name|failed"
		tail -n 20 /tmp/iperf.json | sed 's/^/detail /'
	fi
done
phase_end
value "network: MB moved meanwhile" "$moved"

sum=$(host sh 'head -c 64M /dev/urandom >big && sha256sum <big')
host bg 'exec socat -u FILE:big TCP-LISTEN:7001,reuseaddr' >/dev/null
sleep 1
check "64 MiB fetched" socat -u TCP:192.0.2.1:7001 CREATE:/tmp/disk/big
check "the fetched file is the host's" test "$sum" = "$(sha256sum </tmp/disk/big)"
host bg 'exec socat -u TCP-LISTEN:7002,reuseaddr CREATE:back' >/dev/null
sleep 1
check "64 MiB sent" socat -u FILE:/tmp/disk/big TCP:192.0.2.1:7002
sleep 2
check "the sent file arrived as it was" test "$sum" = "$(host sh 'sha256sum <back')"
host sh 'rm -f big back'

check "umount" umount /tmp/disk
check "nothing in the kernel log but information" sh -c '! dmesg -r | grep -q "^<[0-3]>"'
