# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=sh
#
# Requests of many segments that cannot be merged, on disks with small rings.

# scattered DISK READ|WRITE SEGMENTS: one direct request of so many pages, of which no two follow
# each other in memory, at the beginning of the disk; compares what is read with what is there, and
# what is on the disk with what was written. Prints the bytes of the request.
scattered() {
	python3 - "/dev/$1" "$2" "$3" <<'END'
import mmap
import os
import sys

path, how, segments = sys.argv[1], sys.argv[2], int(sys.argv[3])
page = 4096
direct = os.open(path, os.O_RDWR | os.O_DIRECT)
memory = mmap.mmap(-1, 2 * segments * page)
view = memoryview(memory)
# Each other page: whatever their places in memory are, mapped from the end to the beginning.
for at in reversed(range(2 * segments)):
    view[at * page:at * page + 8] = at.to_bytes(8, "little")
pieces = [view[2 * i * page:(2 * i + 1) * page] for i in range(segments)]
plain = mmap.mmap(-1, segments * page)
if how == "read":
    for i in range(segments):
        plain[i * page:(i + 1) * page] = (i + 1).to_bytes(2, "little") * (page // 2)
    os.pwrite(direct, plain, 0)
    done = os.preadv(direct, pieces, 0)
else:
    for i, piece in enumerate(pieces):
        piece[:] = (i + 77).to_bytes(2, "little") * (page // 2)
    done = os.pwritev(direct, pieces, 0)
    os.preadv(direct, [plain], 0)
for i, piece in enumerate(pieces):
    if bytes(piece) != plain[i * page:(i + 1) * page]:
        sys.exit(f"page {i} differs")
print(done)
END
}

# verified DISK DEPTH SIZE: fio with a checksum in every block of SIZE, DEPTH of them at a time.
verified() {
	fio --name=verify --filename="/dev/$1" --direct=1 --verify=crc32c --verify_fatal=1 \
		--rw=randrw --bs="$3" --iodepth="$2" --ioengine=libaio --size=32m --minimal >/dev/null
}

# shellcheck disable=SC2034 # for scripts
SEGMENTS_TESTS=5

# segments_checks PREFIX DISK MOST: the disk takes requests of MOST segments.
segments_checks() {
	check_eq "$1: requests have as many segments as the device takes" \
		"$(cat "/sys/block/$2/queue/max_segments")" "$3"
	check_eq "$1: a read of 100 segments" "$(scattered "$2" read 100)" 409600
	check_eq "$1: a write of 100 segments" "$(scattered "$2" write 100)" 409600
	check "$1: large requests" verified "$2" 8 1m
	check "$1: more of them than the ring has descriptors" verified "$2" 64 256k
}
