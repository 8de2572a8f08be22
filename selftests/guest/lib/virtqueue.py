# SPDX-License-Identifier: GPL-2.0
"""The device's side of a virtqueue, split or packed (virtio 1.2, 2.7 and 2.8).

A device of this kind completes buffers in the order in which it takes them. Memory is an object with
`read(address, length)` and `write(address, bytes)`, and `area(address, length)`, which returns a buffer
and an offset in it. The order of stores, and of loads, is that of the program, as on x86.
"""

import struct
import threading

F_INDIRECT_DESC, F_EVENT_IDX, F_VERSION_1 = 28, 29, 32
F_ACCESS_PLATFORM, F_RING_PACKED, F_IN_ORDER = 33, 34, 35

_NEXT, _WRITE, _INDIRECT = 1, 2, 4
_AVAIL, _USED = 1 << 7, 1 << 15

#: The place of a new packed queue: its first descriptor, in a round whose bit is set.
_START = 1 << 15 | 1 << 31

_lock = threading.Lock()


def barrier() -> None:
    """Orders stores before it before loads after it: taking a lock is a locked instruction."""
    with _lock:
        pass


def has(features: int, bit: int) -> bool:
    """Returns whether a feature is among those negotiated."""
    return bool(features >> bit & 1)


class Chain:
    """A buffer that the driver made available."""

    def __init__(self, ident: int):
        self.ident = ident
        #: Descriptors in the ring.
        self.count = 0
        #: Pieces that the device reads, and those that it writes: (address, length).
        self.out = []
        self.into = []

    def add(self, address: int, length: int, flags: int) -> None:
        """Adds what one descriptor points at."""
        (self.into if flags & _WRITE else self.out).append((address, length))

    def room(self) -> int:
        """Returns how many bytes the device may write."""
        return sum(length for _, length in self.into)


def gather(memory, pieces: list) -> bytes:
    """Returns the bytes that pieces hold."""
    return b"".join(memory.read(address, length) for address, length in pieces)


def scatter(memory, pieces: list, data: bytes, start: int = 0) -> int:
    """Writes bytes into pieces, from byte number `start` of these on, and returns how many fitted."""
    done = 0
    for address, length in pieces:
        skipped = min(start, length)
        start -= skipped
        part = data[done:done + length - skipped]
        if part:
            memory.write(address + skipped, part)
            done += len(part)
    return done


class _Words:
    """Sixteen-bit fields of one part of a ring, loaded and stored whole.

    Not by `struct`: `pack_into` zeroes the bytes before it packs, which a driver on another processor
    sees, and which stays when the process dies in between. Formats of standard size go byte by byte.
    """

    def __init__(self, memory, address: int, length: int):
        area, offset = memory.area(address, length)
        self._bytes = memoryview(area)[offset:offset + length]
        self._words = self._bytes.cast("H")

    def load(self, at: int) -> int:
        """Returns the field at a number of bytes from the start."""
        return self._words[at // 2]

    def store(self, at: int, value: int) -> None:
        """Writes a field."""
        self._words[at // 2] = value & 0xffff

    def put(self, at: int, form: str, *values) -> None:
        """Writes several fields that nobody reads yet."""
        data = struct.pack(form, *values)
        self._bytes[at:at + len(data)] = data

    def get(self, form: str, at: int) -> tuple:
        """Returns several fields that nobody writes any more."""
        return struct.unpack_from(form, self._bytes, at)


class Split:
    """A split virtqueue. It goes on at the place of `info`, or, if that has none, after what is marked
    used, so that a new process finds its place."""

    def __init__(self, memory, info, features: int):
        self._memory = memory
        self._size = info.size
        self._event = has(features, F_EVENT_IDX)
        self._desc = _Words(memory, info.desc, 16 * info.size)
        self._avail = _Words(memory, info.driver, 6 + 2 * info.size)
        self._used = _Words(memory, info.device, 6 + 8 * info.size)
        self._next = self._told = self._done = self._used.load(2)
        if info.place is not None:
            self._next = info.place & 0xffff

    def place(self) -> int:
        """Returns where to go on, as the vhost protocols have it: behind what was handed back. What was
        taken besides has to be taken again."""
        return self._done

    def take(self):
        """Returns the next buffer, or None if there is none."""
        if self._avail.load(2) == self._next:
            return None
        head = self._avail.load(4 + 2 * (self._next % self._size))
        self._next = (self._next + 1) & 0xffff
        chain = Chain(head)
        table, index = self._desc, head
        while True:
            address, length, flags, following = table.get("=QIHH", 16 * index)
            if flags & _INDIRECT:
                table, index = _Words(self._memory, address, length), 0
                continue
            chain.add(address, length, flags)
            if not flags & _NEXT:
                return chain
            index = following

    def put(self, *used) -> None:
        """Hands buffers back, all at a time: (buffer, number of bytes written into it)."""
        for chain, length in used:
            self._used.put(4 + 8 * (self._done % self._size), "=II", chain.ident, length)
            self._done = (self._done + 1) & 0xffff
        self._used.store(2, self._done)

    def wants_interrupt(self) -> bool:
        """Returns whether the driver wants to know of what was handed back since the last call."""
        old, self._told = self._told, self._done
        if old == self._done:
            return False
        barrier()
        if not self._event:
            return not self._avail.load(0) & 1
        event = self._avail.load(4 + 2 * self._size)
        return (self._done - event - 1) & 0xffff < (self._done - old) & 0xffff

    def arm(self) -> None:
        """Asks the driver to tell of the next buffer. Look for one after this once more."""
        if self._event:
            self._used.store(4 + 8 * self._size, self._next)
        barrier()


class Packed:
    """A packed virtqueue. It goes on at the place of `info`, and without one from the beginning."""

    def __init__(self, memory, info, features: int):
        self._memory = memory
        self._size = info.size
        self._event = has(features, F_EVENT_IDX)
        self._ring = _Words(memory, info.desc, 16 * info.size)
        self._driver = _Words(memory, info.driver, 4)
        self._device = _Words(memory, info.device, 4)
        place = _START if info.place is None else info.place
        self._next, self._next_wrap = place & 0x7fff, bool(place >> 15 & 1)
        self._done, self._done_wrap = place >> 16 & 0x7fff, bool(place >> 31)
        #: Descriptors handed back since the driver was asked whether it wants to know.
        self._news = 0

    def place(self) -> int:
        """Returns where to go on, as the vhost protocols have it: behind what was handed back, once for
        taking and once for handing back. What was taken besides has to be taken again."""
        return (self._done | self._done_wrap << 15) * 0x10001

    def take(self):
        """Returns the next buffer, or None if there is none."""
        flags = self._ring.load(16 * self._next + 14)
        if bool(flags & _AVAIL) != self._next_wrap or bool(flags & _USED) == self._next_wrap:
            return None
        chain = Chain(0)
        while True:
            address, length, chain.ident, flags = self._ring.get("=QIHH", 16 * self._next)
            if flags & _INDIRECT:
                table = _Words(self._memory, address, length)
                for index in range(length // 16):
                    piece, size, _, kind = table.get("=QIHH", 16 * index)
                    chain.add(piece, size, kind)
            else:
                chain.add(address, length, flags)
            chain.count += 1
            self._next += 1
            if self._next == self._size:
                self._next, self._next_wrap = 0, not self._next_wrap
            if not flags & _NEXT:
                return chain

    def put(self, *used) -> None:
        """Hands buffers back, all at a time: (buffer, number of bytes written into it)."""
        flags = []
        for chain, length in used:
            self._ring.put(16 * self._done + 8, "=IH", length, chain.ident)
            flags.append((16 * self._done + 14,
                          (_AVAIL | _USED if self._done_wrap else 0) | (_WRITE if length else 0)))
            self._news += chain.count
            self._done += chain.count
            if self._done >= self._size:
                self._done, self._done_wrap = self._done - self._size, not self._done_wrap
        # The driver looks at the others after the first one.
        for at, value in reversed(flags):
            self._ring.store(at, value)

    def wants_interrupt(self) -> bool:
        """Returns whether the driver wants to know of what was handed back since the last call."""
        news, self._news = self._news, 0
        if not news:
            return False
        barrier()
        flags = self._driver.load(2) & 3
        if flags != 2:
            return flags == 0
        place = self._driver.load(0)
        event = place & 0x7fff
        if bool(place >> 15) != self._done_wrap:
            event -= self._size
        return (self._done - event - 1) & 0xffff < news

    def arm(self) -> None:
        """Asks the driver to tell of the next buffer. Look for one after this once more."""
        if self._event:
            self._device.store(0, self._next | self._next_wrap << 15)
            barrier()
            self._device.store(2, 2)
        barrier()


def queue(memory, info, features: int):
    """Returns a queue in the layout that was negotiated."""
    kind = Packed if has(features, F_RING_PACKED) else Split
    return kind(memory, info, features)
