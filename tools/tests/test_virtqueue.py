# SPDX-License-Identifier: GPL-2.0
"""Tests selftests/guest/lib/virtqueue.py, the queues of the devices in Python, with a driver beside them."""

import mmap
import os
import random
import signal
import struct
import sys
import time
import types

import pytest

from harness.paths import SELFTESTS

sys.path.insert(0, str(SELFTESTS / "lib"))
import virtqueue  # noqa: E402

SIZE = 8
DESC, DRIVER, DEVICE, TABLES = 0, 4096, 8192, 12288
NEXT, WRITE, INDIRECT = 1, 2, 4
AVAIL, USED = 1 << 7, 1 << 15


class Memory:
    """Memory of a driver, mapped at 0."""

    def __init__(self):
        self.bytes = mmap.mmap(-1, 1 << 16)

    def area(self, address: int, _length: int) -> tuple:
        """Returns the memory and an offset."""
        return self.bytes, address

    def get(self, form: str, at: int):
        return struct.unpack_from(form, self.bytes, at)[0]

    def set(self, form: str, at: int, *values) -> None:
        struct.pack_into(form, self.bytes, at, *values)


class Driver:
    """The part of a driver that both layouts have; with `events` it says which buffers matter."""

    layout = 0

    def __init__(self, events: bool = False):
        self.features = self.layout | (1 << virtqueue.F_EVENT_IDX if events else 0)
        self.memory = Memory()
        self.held = {}
        info = types.SimpleNamespace(size=SIZE, desc=DESC, driver=DRIVER, device=DEVICE, place=None)
        self.open = lambda: virtqueue.queue(self.memory, info, self.features)
        self.device = self.open()


class Split(Driver):
    """A driver with a split queue."""

    def __init__(self, events: bool = False):
        super().__init__(events)
        self.free = list(range(SIZE))
        self.made = self.seen = 0

    def link(self, at: int, indexes, pieces: list) -> None:
        """Writes descriptors of a table or of the ring, each of which names the next."""
        for index, following, (address, length, kind) in zip(indexes, [*indexes[1:], None], pieces):
            last = (kind, 0) if following is None else (kind | NEXT, following)
            self.memory.set("=QIHH", at + 16 * index, address, length, *last)

    def add(self, pieces: list, indirect: bool) -> bool:
        """Makes a buffer available, if there is room."""
        count = 1 if indirect else len(pieces)
        if count > len(self.free):
            return False
        ids = [self.free.pop(random.randrange(len(self.free))) for _ in range(count)]
        if indirect:
            self.link(table := TABLES + 16 * SIZE * ids[0], range(len(pieces)), pieces)
            pieces = [(table, 16 * len(pieces), INDIRECT)]
        self.link(DESC, ids, pieces)
        self.held[ids[0]] = ids
        self.memory.set("=H", DRIVER + 4 + 2 * (self.made % SIZE), ids[0])
        self.made = (self.made + 1) & 0xffff
        self.memory.set("=H", DRIVER + 2, self.made)
        return True

    def take(self) -> list:
        """Returns the lengths of what was used, and has the descriptors back."""
        lengths = []
        while self.seen != self.memory.get("=H", DEVICE + 2):
            ident, length = struct.unpack_from("=II", self.memory.bytes, DEVICE + 4 + 8 * (self.seen % SIZE))
            self.free += self.held.pop(ident)
            lengths.append(length)
            self.seen = (self.seen + 1) & 0xffff
        return lengths

    def ask(self, buffers: int) -> None:
        """Asks for an interrupt when so many more buffers are used."""
        self.memory.set("=H", DRIVER + 4 + 2 * SIZE, (self.seen + buffers - 1) & 0xffff)

    def event(self) -> bool:
        """Returns whether the device wants to know of the next buffer."""
        return self.memory.get("=H", DEVICE + 4 + 8 * SIZE) == self.made


class Packed(Driver):
    """A driver with a packed queue."""

    layout = 1 << virtqueue.F_RING_PACKED

    def __init__(self, events: bool = False):
        super().__init__(events)
        self.next, self.next_wrap, self.at, self.at_wrap = 0, True, 0, True

    def add(self, pieces: list, indirect: bool) -> bool:
        count = 1 if indirect else len(pieces)
        if sum(self.held.values()) + count > SIZE:
            return False
        ident = random.choice([one for one in range(SIZE) if one not in self.held])
        if indirect:
            table = TABLES + 16 * SIZE * ident
            for index, (address, length, kind) in enumerate(pieces):
                self.memory.set("=QIHH", table + 16 * index, address, length, 0, kind)
            pieces = [(table, 16 * len(pieces), INDIRECT)]
        late = []
        for index, (address, length, kind) in enumerate(pieces):
            flags = kind | (NEXT if index + 1 < count else 0) | (AVAIL if self.next_wrap else USED)
            self.memory.set("=QIH", DESC + 16 * self.next, address, length, ident)
            late.append((DESC + 16 * self.next + 14, flags))
            self.next += 1
            if self.next == SIZE:
                self.next, self.next_wrap = 0, not self.next_wrap
        for at, flags in reversed(late):
            self.memory.set("=H", at, flags)
        self.held[ident] = count
        return True

    def take(self) -> list:
        lengths = []
        while True:
            length, ident, flags = struct.unpack_from("=IHH", self.memory.bytes, DESC + 16 * self.at + 8)
            if {bool(flags & AVAIL), bool(flags & USED)} != {self.at_wrap} or not self.held:
                return lengths
            self.at += self.held.pop(ident)
            if self.at >= SIZE:
                self.at, self.at_wrap = self.at - SIZE, not self.at_wrap
            lengths.append(length)

    def ask(self, buffers: int) -> None:
        """Asks for an interrupt when so many more descriptors are used."""
        place, wrap = self.at + buffers - 1, self.at_wrap
        if place >= SIZE:
            place, wrap = place - SIZE, not wrap
        self.memory.set("=HH", DRIVER, place | wrap << 15, 2)

    def event(self) -> bool:
        return self.memory.get("=I", DEVICE) == (self.next | self.next_wrap << 15) | 2 << 16


@pytest.fixture(autouse=True)
def _always_the_same():
    random.seed(1)


each_layout = pytest.mark.parametrize("kind", [Split, Packed])
without_and_with_events = pytest.mark.parametrize("events", [False, True], ids=["", "events"])


def test_a_field_goes_from_one_value_to_the_next():
    """`struct.pack_into` has it 0 in between: a used index of 0 is one of buffers that nobody has."""
    memory = Memory()
    words = virtqueue._Words(memory, 0, 64)
    words.store(2, 0x101)
    child = os.fork()
    while not child:
        words.store(2, 0x101)
    end = time.monotonic() + 2
    bad = 0
    while not bad and time.monotonic() < end:
        bad = sum(memory.get("=H", 2) != 0x101 for _ in range(1000))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert bad == 0


@without_and_with_events
@each_layout
def test_buffers_go_round_many_times(kind, events):
    """With chains, tables and batches, from the driver to the device and back, in any number."""
    driver = kind(events)
    made, taken, sent = [], [], []
    for turn in range(20000):
        pieces = [(random.randrange(1 << 40), random.randrange(1, 1 << 20), kind) for kind in
                  [0] * random.randrange(3) + [WRITE] * random.randrange(1, 3)]
        if driver.add(pieces, random.random() < 0.5):
            made.append(pieces)
        while random.random() < 0.6 and (chain := driver.device.take()):
            taken.append(chain)
            assert [(*one, 0) for one in chain.out] + [(*one, WRITE) for one in chain.into] == made.pop(0)
        if random.random() < 0.5:
            count = random.randrange(len(taken) + 1)
            lengths = [turn + number for number in range(count)]
            if count:
                driver.device.put(*zip(taken[:count], lengths))
            del taken[:count]
            sent += lengths
        if random.random() < 0.5:
            assert driver.take() == sent
            sent = []


@each_layout
def test_buffers_come_all_at_a_time(kind, monkeypatch):
    """The driver sees none of several before all of them are there."""
    driver, seen = kind(), []
    for _ in range(3):
        driver.add([(0, 1, WRITE)], False)
    chains = [driver.device.take() for _ in range(3)]
    store = virtqueue._Words.store

    def look(words, at, value):
        """Looks at the ring before each field that is stored."""
        seen.append(len(driver.take()))
        store(words, at, value)

    monkeypatch.setattr(virtqueue._Words, "store", look)
    driver.device.put(*((chain, 1) for chain in chains))
    assert (sum(seen), len(driver.take())) == (0, 3)


@each_layout
def test_an_interrupt_comes_when_it_was_asked_for(kind):
    """Once so many buffers are used, over the end of the ring too."""
    driver = kind(events=True)
    for turn in range(500):
        wanted = turn % 5 + 1
        for _ in range(wanted + 1):
            driver.add([(0, 1, WRITE)], False)
        driver.ask(wanted)
        told = []
        for _ in range(wanted + 1):
            driver.device.put((driver.device.take(), 1))
            told.append(driver.device.wants_interrupt())
        assert told == [number == wanted for number in range(1, wanted + 2)]
        driver.take()
        driver.device.arm()
        assert driver.event()


def test_another_process_goes_on():
    """A split queue says where its device was."""
    driver = Split()
    for turn in range(5000):
        driver.add([(turn, 1, WRITE)], False)
        if turn % 3 == 0:
            # It had taken one and not handed it back.
            driver.device.take()
            driver.device = driver.open()
        chain = driver.device.take()
        assert chain.into == [(turn, 1)]
        driver.device.put((chain, turn))
        assert driver.take() == [turn]
