# SPDX-License-Identifier: GPL-2.0
"""Has devices of QEMU's lie, for the `.host.py` of a script whose guest has its memory from a
memory-backend-memfd.

QEMU stands still meanwhile, so that the ring is the one that it is told to be.
"""

import os
import struct

#: No buffer of a ring has it.
_NO_ID = 0xffff

_AVAIL, _USED = 1 << 7, 1 << 15


def _memory(pid: int) -> int:
    """Returns a descriptor of the guest's memory; a place in it is a physical address."""
    where = f"/proc/{pid}/fd"
    for name in os.listdir(where):
        if "memory-backend-memfd" in os.readlink(f"{where}/{name}"):
            return os.open(f"{where}/{name}", os.O_RDWR)
    raise OSError("the guest has no memory-backend-memfd")


def _get(memory: int, address: int) -> int:
    return struct.unpack("<H", os.pread(memory, 2, address))[0]


def _answer_split(memory: int, queue: dict) -> None:
    """Puts an answer to no buffer behind the last answer of a split ring."""
    used = queue["vring-used"]
    index = _get(memory, used + 2)
    os.pwrite(memory, struct.pack("<II", _NO_ID, 0), used + 4 + 8 * (index % queue["vring-num"]))
    os.pwrite(memory, struct.pack("<H", index + 1 & 0xffff), used + 2)


def _answer_packed(memory: int, queue: dict) -> None:
    """Does the same in a packed ring, whatever is in that place."""
    place = queue["vring-desc"] + 16 * queue["used-idx"]
    flags = _get(memory, place + 14)
    wrap = bool(flags & _AVAIL) if bool(flags & _AVAIL) != bool(flags & _USED) else not flags & _AVAIL
    os.pwrite(memory, struct.pack("<IH", 0, _NO_ID), place + 8)
    os.pwrite(memory, struct.pack("<H", _AVAIL | _USED if wrap else 0), place + 14)


def actions(guest) -> dict:
    """Returns what a script may ask for: `lie DEVICE QUEUE LAYOUT`, which tells the driver of a buffer
    that it has not given. The driver sees it unless the device really answers first."""

    def lie(argument: str) -> None:
        device, index, layout = argument.split()
        monitor = guest.monitor()
        monitor.command("stop")
        try:
            queue = monitor.command("x-query-virtio-queue-status", queue=int(index),
                                    path=f"/machine/peripheral/{device}/virtio-backend")
            if not queue["vring-desc"]:
                raise OSError("the queue is not in use")
            memory = _memory(guest.pid())
            try:
                (_answer_packed if layout.startswith("packed") else _answer_split)(memory, queue)
            finally:
                os.close(memory)
        finally:
            monitor.command("cont")

    return {"lie": lie}
