#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A disk in a process of the guest, whose content is a file.

usage: vduse-blk.py [--packed] [--in-order] [--event-idx] [--queues N] [--lengths HOW[,HOW]...] NAME FILE

On SIGUSR1 it goes mute: it answers nothing more until the driver has reset it.

HOW says what the device gives as the number of bytes written into a buffer. With more than one, there is a
disk NAME-HOW for each, with a file FILE-HOW. Hosts that are in use count in each of these ways:

* exact: the bytes read and the status byte;
* data: the bytes read, without the status byte;
* moved: the bytes read or written, without the status byte;
* all: every byte of the buffer, those that the device has read, too;
* nothing: always 0;
* error: a negative error number.
"""

import argparse
import errno
import os
import signal
import struct

import vduse

import virtqueue

SECTOR = 512
IN, OUT, FLUSH, GET_ID, DISCARD, WRITE_ZEROES = 0, 1, 4, 8, 11, 13
OK, IOERR, UNSUPP = range(3)

#: SEG_MAX, BLK_SIZE, FLUSH, MQ, DISCARD, WRITE_ZEROES. Without SIZE_MAX a segment is as long as the host
#: can map.
FEATURES = [2, 6, 9, 12, 13, 14]
SEG_MAX = 30
RANGE_SECTORS = 0x8000


LENGTHS = ["exact", "data", "moved", "all", "nothing", "error"]


class Disk(vduse.Device):
    """A virtio-blk device (virtio 1.2, 5.2)."""

    kind = 2

    def __init__(self, name: str, path: str, features: list, queues: int, lengths: str):
        self._file = os.open(path, os.O_RDWR)
        self._size = os.fstat(self._file).st_size
        self._serial = name.encode()
        self._lengths = lengths
        self._mute = False
        config = struct.pack("=QIIHBBIBBHIBBHIIIIIB3x", self._size // SECTOR, 0, SEG_MAX, 0, 0, 0, SECTOR,
                             0, 0, 1, 0, 0, 0, queues, RANGE_SECTORS, 1, 1, RANGE_SECTORS, 1, 1)
        super().__init__(name, vduse.offered(FEATURES + features), queues, config)

    def go_mute(self) -> None:
        """Answers nothing more until the driver has reset the device."""
        self._mute = True

    def begin(self) -> None:
        self._mute = False

    def serve(self, index: int, queue) -> bool:
        some = False
        while not self._mute:
            chain = queue.take()
            if chain is None:
                break
            some = True
            queue.put((chain, self._request(chain)))
            self.interrupt(index)
        return some

    def _request(self, chain) -> int:
        """Carries out a request and returns how many bytes it says were written into its buffer."""
        data = virtqueue.gather(self.memory, chain.out)
        kind, _, sector = struct.unpack_from("=IIQ", data)
        room = chain.room() - 1
        status, answer = self._do(kind, sector * SECTOR, data[16:], room)
        virtqueue.scatter(self.memory, chain.into, answer)
        virtqueue.scatter(self.memory, chain.into, bytes([status]), room)
        return {"exact": len(answer) + 1, "data": len(answer), "moved": len(answer) + len(data) - 16,
                "all": len(data) + chain.room(), "nothing": 0,
                "error": -errno.EIO & 0xffffffff}[self._lengths]

    def _do(self, kind: int, offset: int, data: bytes, room: int) -> tuple:
        """Returns the status of a request and what is read."""
        if kind in (IN, OUT) and offset + max(len(data), room) > self._size:
            return IOERR, b""
        if kind == IN:
            return OK, os.pread(self._file, room, offset)
        if kind == OUT:
            os.pwrite(self._file, data, offset)
        elif kind == GET_ID:
            return OK, self._serial.ljust(20, b"\0")[:room]
        elif kind in (DISCARD, WRITE_ZEROES):
            first, count, _ = struct.unpack("=QII", data)
            if (first + count) * SECTOR > self._size:
                return IOERR, b""
            # What is discarded need not be zero, but may.
            os.pwrite(self._file, bytes(count * SECTOR), first * SECTOR)
        elif kind != FLUSH:
            return UNSUPP, b""
        return OK, b""


def main() -> None:
    """Serves a disk."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--packed", action="store_const", const=[virtqueue.F_RING_PACKED], default=[])
    parser.add_argument("--in-order", action="store_const", const=[virtqueue.F_IN_ORDER], default=[])
    parser.add_argument("--event-idx", action="store_const", const=[virtqueue.F_EVENT_IDX], default=[])
    parser.add_argument("--queues", type=int, default=1)
    parser.add_argument("--lengths", default=["exact"], type=lambda text: text.split(","))
    parser.add_argument("name")
    parser.add_argument("file")
    args = parser.parse_args()
    features = [virtqueue.F_INDIRECT_DESC, *args.packed, *args.in_order, *args.event_idx]
    disks = []
    for lengths in args.lengths:
        if lengths not in LENGTHS:
            parser.error(f"no way to count: {lengths}")
        suffix = f"-{lengths}" if args.lengths[1:] else ""
        disks.append(Disk(args.name + suffix, args.file + suffix, features, args.queues, lengths))
    signal.signal(signal.SIGUSR1, lambda *_: [disk.go_mute() for disk in disks])
    vduse.run(disks)


if __name__ == "__main__":
    main()
