#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Does each kind of request on disks whose content is a file here, and compares.

usage: kinds.py NAME=DISK=FILE...

Prints for each disk its name and "ok", or what is wrong: a request that failed, or content that is not as it
was written, on the disk or in the file. NAME has to be the serial number.
"""

import fcntl
import mmap
import os
import struct
import sys

BLKDISCARD = 0x1277
MEGABYTE = 1 << 20
#: Offsets and lengths. The last ones need an indirect table, and several requests.
PARTS = [(0, 512), (4096, 4096), (65536, 65536), (MEGABYTE, MEGABYTE)]
#: Of what was written: what is before and behind it stays.
DISCARDED = (65536 + 8192, 16384)


class Wrong(Exception):
    """Content is not as it was written."""


def direct(length: int) -> mmap.mmap:
    """Returns memory that a disk can read and write by itself."""
    return mmap.mmap(-1, length)


def flushes(disk: str) -> int:
    """Returns how many flushes have been done."""
    with open(f"/sys/block/{disk}/stat") as stat:
        return int(stat.read().split()[15])


def expect(what: str, got, wanted) -> None:
    """Compares."""
    if got != wanted:
        raise Wrong(what)


def do(name: str, disk: str, path: str) -> None:
    """Does each kind of request on a disk."""
    with open(f"/sys/block/{disk}/serial") as serial:
        expect("the serial number", serial.read().strip(), name)
    fd = os.open(f"/dev/{disk}", os.O_RDWR | os.O_DIRECT)
    wanted = bytearray(os.path.getsize(path))
    for offset, length in PARTS:
        memory = direct(length)
        memory[:] = wanted[offset:offset + length] = os.urandom(length)
        expect(f"a write of {length}", os.pwrite(fd, memory, offset), length)
    compare(fd, path, wanted, "written")
    before = flushes(disk)
    os.fsync(fd)
    expect("a flush", flushes(disk) > before, True)
    fcntl.ioctl(fd, BLKDISCARD, struct.pack("=QQ", *DISCARDED))
    wanted[DISCARDED[0]:sum(DISCARDED)] = bytes(DISCARDED[1])
    compare(fd, path, wanted, "discarded")
    os.close(fd)


def compare(fd: int, path: str, wanted: bytes, when: str) -> None:
    """Compares what is read from the disk, and what is in the file."""
    for offset, length in PARTS:
        memory = direct(length)
        # Zeroes do not pass for what is there.
        memory[:] = b"\xa5" * length
        expect(f"a read of {length}", os.preadv(fd, [memory], offset), length)
        expect(f"{length} bytes of the disk, {when}", memory[:], wanted[offset:offset + length])
    with open(path, "rb") as file:
        expect(f"the file, {when}", file.read(), wanted)


def main() -> None:
    """Goes through the disks."""
    for argument in sys.argv[1:]:
        name, disk, path = argument.split("=")
        try:
            do(name, disk, path)
            print(name, "ok")
        except (OSError, Wrong) as error:
            print(name, error)


if __name__ == "__main__":
    main()
