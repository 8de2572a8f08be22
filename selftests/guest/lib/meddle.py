# SPDX-License-Identifier: GPL-2.0
"""Has devices of QEMU's lie, for the `.host.py` of a script whose guest has its memory from a
memory-backend-memfd.

QEMU stands still meanwhile, so that the ring is the one that it is told to be.
"""

import os
import struct

#: No buffer of a ring has it.
_NO_ID = 0xffff


def _memory(pid: int) -> int:
    """Returns a descriptor of the guest's memory; a place in it is a physical address."""
    where = f"/proc/{pid}/fd"
    for name in os.listdir(where):
        if "memory-backend-memfd" in os.readlink(f"{where}/{name}"):
            return os.open(f"{where}/{name}", os.O_RDWR)
    raise OSError("the guest has no memory-backend-memfd")


def _get(memory: int, address: int) -> int:
    return struct.unpack("<H", os.pread(memory, 2, address))[0]


def _spoil_split(memory: int, queue: dict) -> None:
    """Has the last answer in a split ring be to no buffer."""
    used = queue["vring-used"]
    last = _get(memory, used + 2) - 1 & 0xffff
    os.pwrite(memory, struct.pack("<I", _NO_ID), used + 4 + 8 * (last % queue["vring-num"]))


def _spoil_packed(memory: int, queue: dict) -> None:
    """Does the same in a packed ring. Where the driver has put another buffer there, the device learns a wrong id."""
    last = (queue["used-idx"] - 1) % queue["vring-num"]
    os.pwrite(memory, struct.pack("<H", _NO_ID), queue["vring-desc"] + 16 * last + 12)


def actions(guest) -> dict:
    """Returns what a script may ask for: `lie DEVICE QUEUE LAYOUT`, which makes the last answer one to a buffer that
    the driver has not given. It has no effect if the driver has seen the answer before.

    No answer is added: the driver would look for it while the device writes its next one there, and take for
    whole what is half a packet, which no driver can tell."""

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
                (_spoil_packed if layout.startswith("packed") else _spoil_split)(memory, queue)
            finally:
                os.close(memory)
        finally:
            monitor.command("cont")

    return {"lie": lie}
