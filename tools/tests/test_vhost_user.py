# SPDX-License-Identifier: GPL-2.0
"""Tests selftests/lib/vhost_user.py, back ends in Python, with a front end and a driver beside them."""

import array
import mmap
import os
import random
import select
import selectors
import socket
import struct
import sys

import pytest
import test_virtqueue
from test_virtqueue import WRITE, Split, each_layout, without_and_with_events

from harness.paths import SELFTESTS

sys.path.insert(0, str(SELFTESTS / "lib"))
import cable  # noqa: E402
import vhost_user  # noqa: E402

(SET_FEATURES, SET_MEM_TABLE, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, GET_VRING_BASE, SET_VRING_KICK,
 SET_VRING_CALL, SET_VRING_ENABLE) = 2, 5, 8, 9, 10, 11, 12, 13, 18
VERSION, NEED_REPLY = 1, 8
#: Bytes of the guest's memory, and its address for QEMU.
BYTES, USER = 1 << 16, 0x7000_0000_0000


class Back(vhost_user.Device):
    """A back end that takes all buffers, and hands back as many as it is let, with their lengths."""

    def __init__(self, path: str, features: int):
        super().__init__(path, features, 1)
        self.let = 0
        self.held = []
        self.ended = 0

    def end(self, index: int) -> None:
        self.held = []
        self.ended += 1

    def serve(self, index: int, queue) -> bool:
        chain = queue.take()
        if chain is None:
            return False
        self.held.append(chain)
        while self.let and self.held:
            self.let -= 1
            chain = self.held.pop(0)
            queue.put((chain, chain.into[0][1]))
        return True


class Front:
    """A front end as QEMU is, with a driver's queue."""

    def __init__(self, directory: str, driver):
        self.driver = driver
        self.fd = os.memfd_create("guest")
        os.ftruncate(self.fd, BYTES)
        driver.memory.bytes = mmap.mmap(self.fd, BYTES)
        path = os.path.join(directory, "back.sock")
        self.selector = selectors.DefaultSelector()
        self.back = Back(path, driver.features)
        self.back.watch(self.selector)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.kick = -1
        self.ask(SET_FEATURES, struct.pack("=Q", driver.features))
        self.ask(SET_MEM_TABLE, struct.pack("=IIQQQQ", 1, 0, 0, BYTES, USER, 0), self.fd)
        self.ask(SET_VRING_NUM, struct.pack("=II", 0, test_virtqueue.SIZE))
        self.ask(SET_VRING_ENABLE, struct.pack("=II", 0, 1))

    def ask(self, kind: int, data: bytes, *fds: int) -> bytes:
        head = struct.pack("=III", kind, VERSION | NEED_REPLY, len(data))
        self.socket.sendmsg([head + data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))])
        while not select.select([self.socket], [], [], 0)[0]:
            self.run(10)
        length = struct.unpack("=8xI", self.socket.recv(12))[0]
        return self.socket.recv(length)

    def run(self, patience: float = 0) -> None:
        """Has the back end do what there is to do."""
        for key, _ in self.selector.select(patience):
            key.data()

    def start(self, place: int) -> None:
        """Has the back end go on at a place."""
        self.ask(SET_VRING_BASE, struct.pack("=II", 0, place))
        addresses = [USER + at for at in (test_virtqueue.DESC, test_virtqueue.DEVICE, test_virtqueue.DRIVER)]
        self.ask(SET_VRING_ADDR, struct.pack("=IIQQQQ", 0, 0, *addresses, 0))
        for kind in (SET_VRING_CALL, SET_VRING_KICK):
            fd = os.eventfd(0, os.EFD_NONBLOCK)
            self.ask(kind, struct.pack("=Q", 0), fd)
            if self.kick >= 0:
                os.close(self.kick)
            self.kick = fd

    def stop(self) -> int:
        """Has the back end let go of the queue, and returns its place."""
        index, place = struct.unpack("=II", self.ask(GET_VRING_BASE, struct.pack("=II", 0, 0)))
        assert index == 0
        return place

    def notify(self) -> None:
        """Tells the back end of buffers, which it takes."""
        os.eventfd_write(self.kick, 1)
        self.run()

    def close(self) -> None:
        self.socket.close()
        # The back end hears of that, and lets go of all.
        self.run(10)
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()
        os.close(self.kick)
        os.close(self.fd)


def place_of(driver) -> int:
    """Returns where a device goes on that has used what the driver has seen, as vhost has it."""
    if driver.features & 1 << test_virtqueue.virtqueue.F_RING_PACKED:
        return (driver.at | driver.at_wrap << 15) * 0x10001
    return driver.seen


@pytest.fixture
def events():
    """Returns whether drivers say which buffers matter, unless a test does both."""
    return False


@pytest.fixture
def front(tmp_path, kind, events):
    """Returns a front end with a driver of a kind."""
    random.seed(2)
    made = Front(str(tmp_path), kind(events))
    yield made
    made.close()


@without_and_with_events
@each_layout
def test_a_queue_goes_on_in_the_middle(front, events):
    """A back end says where a queue is, and goes on there: in any layout, with buffers of any number
    of descriptors, that were taken and not handed back, or added at the same time."""
    driver, made = front.driver, []
    place = place_of(driver)
    for turn in range(300):
        front.back.let = random.randrange(4) if turn % 3 else 100
        while random.random() < 0.7:
            pieces = [(0, 100 + turn, WRITE)] * random.randrange(1, 4)
            if driver.add(pieces, random.random() < 0.3):
                made.append(100 + turn)
        front.start(place)
        while random.random() < 0.7 and driver.add([(0, 500 + turn, WRITE)], False):
            made.append(500 + turn)
        front.notify()
        used = driver.take()
        assert used == made[:len(used)]
        del made[:len(used)]
        if turn % 3 == 0:
            assert made == []
        place = front.stop()
        assert place == place_of(driver)
        # A queue that has ended stays where it was.
        assert front.stop() == place
        assert front.back.ended == turn + 1


@each_layout
def test_a_front_end_knows_better(front, kind):
    """A queue begins where it is told, though nothing in the ring says so."""
    front.back.let = 100
    for length in (1, 2, 3):
        front.driver.add([(0, length, WRITE)], False)
    front.start(2 if kind is Split else 2 | 1 << 15 | (2 | 1 << 15) << 16)
    assert front.back.let == 99
    if kind is Split:
        # Two are still to be used, by a process that knows of them.
        used = struct.unpack_from("=HII", front.driver.memory.bytes, test_virtqueue.DEVICE + 2)
        assert (used[0], used[2]) == (1, 3)


@each_layout
def test_a_kick_that_changes_leaves_the_place(front, kind):
    """A front end may change the eventfd of a queue that is in use."""
    front.back.let = 100
    front.start(place_of(front.driver))
    for length in range(1, 30):
        front.driver.add([(0, length, WRITE)] * 3, False)
        front.ask(SET_VRING_KICK, struct.pack("=Q", 0), os.dup(front.kick))
        assert front.driver.take() == [length]


def test_buffers_of_a_queue_that_ended_are_forgotten():
    """They come again, where the queue goes on."""
    end = cable.End()
    end.begin()
    end.spare = {0: ["a buffer"], 2: ["another"]}
    end.end(0)
    end.end(4)
    assert end.spare == {2: ["another"]}
