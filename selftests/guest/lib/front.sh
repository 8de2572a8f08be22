# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# One use of each front end that shows by content that its rings carry what they should. Source it
# after tap.sh and net.sh. The devices are those of ring/front.json.

SHARE=/tmp/share
# shellcheck disable=SC2034 # for scripts
SCSI=/tmp/scsi

# virtio_of_type NUMBER: prints the virtio device with that number in the specification.
virtio_of_type() {
	for _v in /sys/bus/virtio/devices/*; do
		[ $(($(cat "$_v/device"))) -eq "$1" ] && echo "${_v##*/}" && return 0
	done
	return 1
}

# layout_of VIRTIO: prints the layout that driver and device agreed on, in the words of HARNESS_LAYOUT.
layout_of() {
	_f=/sys/bus/virtio/devices/$1/features
	case $(cut -c35,36 "$_f") in
	00) echo split ;;
	10) echo packed ;;
	01) echo in-order ;;
	11) echo packed-in-order ;;
	esac
}

# fio_verifies DEVICE OPTION...: fio with a checksum in every block.
fio_verifies() {
	_disk=$1
	shift
	fio --name=verify --filename="/dev/$_disk" --direct=1 --verify=crc32c --verify_fatal=1 \
		--ioengine=libaio --minimal "$@" >/dev/null
}

# make_tree DIRECTORY: 60 files of 1 byte to 100 kB with content of their own.
make_tree() {
	python3 - "$1" <<'END'
import os, random, sys
for number in range(60):
    data = random.Random(number)
    path = f"{sys.argv[1]}/{number % 5}"
    os.makedirs(path, exist_ok=True)
    with open(f"{path}/{number}", "wb") as out:
        out.write(data.randbytes(1 + data.randrange(100000)))
END
}

# TREE_SUM: prints one checksum over the names and the content of the files below here; for the guest
# and for the host.
TREE_SUM='find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-64'

# 9p: a tree is written, and the host has the same.
front_9p() {
	mkdir -p $SHARE
	mountpoint -q $SHARE ||
		mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share $SHARE || return 1
	rm -rf $SHARE/tree
	make_tree $SHARE/tree || return 1
	_host=$(host sh "cd share/tree && $TREE_SUM") || return 1
	[ "$(cd $SHARE/tree && sh -c "$TREE_SUM")" = "$_host" ] || return 1
	make_tree /tmp/tree
	_local=$(cd /tmp/tree && sh -c "$TREE_SUM")
	rm -rf /tmp/tree $SHARE/tree
	umount $SHARE
	[ "$_local" = "$_host" ]
}

# balloon: the guest gives memory to the host and has it back.
balloon_actual() {
	qmp_cmd query-balloon | jq .actual
}

mem_total() {
	awk '$1 == "MemTotal:" { print $2 * 1024 }' /proc/meminfo
}

balloon_is() {
	[ "$(balloon_actual)" = "$1" ]
}

front_balloon() {
	_full=$(balloon_actual)
	_total=$(mem_total)
	_less=$((_full - (64 << 20)))
	qmp_cmd balloon "{\"value\":$_less}" >/dev/null || return 1
	wait_for 60 balloon_is $_less || return 1
	[ "$(mem_total)" = $((_total - (64 << 20))) ] || return 1
	qmp_cmd balloon "{\"value\":$_full}" >/dev/null || return 1
	wait_for 60 balloon_is "$_full" || return 1
	[ "$(mem_total)" = "$_total" ]
}

# blk: what is written is read.
front_blk() {
	fio_verifies "$(disk_by_serial blk0)" --rw=randrw --bsrange=4k-64k --blockalign=4k --iodepth=16 \
		--size=8m
}

# console: a port carries bytes both ways.
port_named() {
	for _p in /sys/class/virtio-ports/*; do
		[ "$(cat "$_p/name" 2>/dev/null)" = "$1" ] && echo "/dev/${_p##*/}" && return 0
	done
	return 1
}

# has_peer PORT: whether QEMU has taken a connection to a port that it listens on. One that the host has made waits.
has_peer() {
	qmp_cmd query-chardev | grep -q ":$1,server=on <-> "
}

has_no_peer() {
	! has_peer "$1"
}

# port_to_host DEVICE PORT FILE: sends a file to the host through a port, where the host listens. In a shell of its own,
# with which the port is closed, whatever fails.
port_to_host() (
	# QEMU looks whether the last connection has ended only while the port is open.
	exec 7<>"$1" || exit 1
	wait_for 20 has_no_peer "$2" || exit 1
	host sh 'rm -f port.bin'
	_reader=$(host bg "exec socat -u TCP:127.0.0.1:$2 OPEN:port.bin,creat,trunc") || exit 1
	# What is written while nobody is there is thrown away.
	wait_for 20 has_peer "$2" || exit 1
	_want=$(sha256sum <"$3")
	within 60 dd if="$3" bs=64k 2>/dev/null >&7 || exit 1
	exec 7>&-
	wait_for 20 host sh "[ \"\$(sha256sum <port.bin)\" = '$_want' ]"
	_status=$?
	host sh "kill $_reader"
	exit $_status
)

# port_from_host DEVICE PORT BYTES: has the host send random bytes through a port.
port_from_host() {
	_sum=$(host sh "head -c $3 /dev/urandom >port.bin; sha256sum <port.bin") || return 1
	: >/tmp/port.bin
	# Opened before the host sends: it would have to wait. Until it is there, there is nothing to read.
	exec 6<"$1"
	host bg "exec timeout $(patient 60) socat -u OPEN:port.bin TCP:127.0.0.1:$2" >/dev/null
	wait_for 60 port_has_read "$3"
	exec 6<&-
	[ "$(sha256sum </tmp/port.bin)" = "$_sum" ]
}

port_has_read() {
	# shellcheck disable=SC2094 # the length is read first
	within 60 head -c $(($1 - $(stat -c %s /tmp/port.bin))) <&6 >>/tmp/port.bin
	[ "$(stat -c %s /tmp/port.bin)" -ge "$1" ]
}

front_console() {
	wait_for 20 port_named org.rust-virtio.port || return 1
	_port=$(port_named org.rust-virtio.port)
	head -c 200000 /dev/urandom >/tmp/front.bin
	port_to_host "$_port" 7102 /tmp/front.bin && port_from_host "$_port" 7102 200000
}

# net: a file in each direction.
front_net() {
	nic_up "$(nic_by_index 0)" 0 && upload 4 && download 4
}

# rng: what is read is random, as far as 64 kB can tell: every byte occurs about as often as it should,
# and no two reads are the same. front_rng [NAME]: of that generator, where there are several.
front_rng() {
	_rng=/sys/class/misc/hw_random
	_virtio=${1:-$(grep -o 'virtio_rng[^ ]*' $_rng/rng_available)} || return 1
	echo "$_virtio" >$_rng/rng_current || return 1
	[ "$(cat $_rng/rng_current)" = "$_virtio" ] || return 1
	within 120 python3 - <<'END'
with open("/dev/hwrng", "rb", 0) as rng:
    parts = []
    while sum(map(len, parts)) < 65536:
        parts.append(rng.read(1024))
data = b"".join(parts)[:65536]
assert len(set(parts)) == len(parts), "two reads gave the same"
counts = [data.count(byte) for byte in range(256)]
# Mean 256, standard deviation 16.
assert 256 - 8 * 16 < min(counts) and max(counts) < 256 + 8 * 16, counts
END
}

# scsi: what is written is read.
scsi_disk() {
	for _b in /sys/block/sd*; do
		[ -e "$_b" ] && echo "${_b##*/}" && return 0
	done
	return 1
}

front_scsi() {
	wait_for 20 scsi_disk || return 1
	fio_verifies "$(scsi_disk)" --rw=randrw --bsrange=4k-64k --blockalign=4k --iodepth=16 --size=8m
}

# shellcheck disable=SC2034 # for scripts
FRONTS="9p balloon blk console net rng scsi"
