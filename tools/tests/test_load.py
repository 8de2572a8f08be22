# SPDX-License-Identifier: GPL-2.0
"""What the selftests under load are made of: a ledger that misses what a disk has lost, and a device that lies."""

import os
import runpy
import struct
import unittest
from unittest import mock

from harness.paths import SELFTESTS

_LEDGER = runpy.run_path(str(SELFTESTS / "lib" / "ledger.py"))
_MEDDLE = runpy.run_path(str(SELFTESTS / "lib" / "meddle.py"))

#: A split ring of four: where what the device writes is.
_SPLIT = {"vring-desc": 0x100, "vring-used": 0x200, "vring-num": 4}
_PACKED = {"vring-desc": 0x100, "vring-num": 4}


class Scratch(unittest.TestCase):
    """Tests with a file."""

    def setUp(self):
        self.file = self.top / "file"


class Ledger(Scratch):
    """Blocks that are owed."""

    def setUp(self):
        super().setUp()
        # A file system in memory may have none.
        self.enter(mock.patch.object(os, "O_DIRECT", 0))
        self.ledger = _LEDGER["Ledger"](2, 3)
        self.ledger.owed, self.ledger.begun = [4, 0, 1], [6, 2, 1]

    def wrong(self, *blocks) -> int:
        """Returns how many of the blocks are wrong that a disk has behind its first two."""
        self.file.write_bytes(bytes(2 * _LEDGER["SIZE"]) + b"".join(blocks))
        return len(_LEDGER["check"](str(self.file), self.ledger))

    def test_what_is_owed_is_enough_and_what_was_begun_is_not_too_much(self):
        content, empty = _LEDGER["content"], bytes(_LEDGER["SIZE"])
        assert self.wrong(content(2, 4), empty, content(4, 1)) == 0
        assert self.wrong(content(2, 6), content(3, 2), content(4, 1)) == 0
        assert self.wrong(content(2, 3), empty, content(4, 1)) == 1
        assert self.wrong(content(2, 7), content(3, 3), content(4, 1)) == 2

    def test_what_is_lost_or_torn_or_elsewhere_is_missed(self):
        content, empty = _LEDGER["content"], bytes(_LEDGER["SIZE"])
        assert self.wrong(empty, empty, empty) == 2
        assert self.wrong(content(3, 4), empty, content(4, 1)) == 1
        assert self.wrong(content(2, 4)[:2048] + content(2, 5)[2048:], empty, content(4, 1)) == 1

    def test_a_ledger_is_gone_on_with(self):
        self.ledger.save(str(self.file))
        again = _LEDGER["load"](str(self.file))
        assert (again.first, again.owed, again.begun, again.done) == (2, [4, 0, 1], [6, 2, 1], [4, 0, 1])

    def test_what_a_disk_takes_is_owed_and_what_it_refuses_is_told(self):
        disk = self.file.with_name("disk")
        # Smaller than the blocks: a write fails, as to a disk that has gone.
        disk.write_bytes(bytes(64 * _LEDGER["SIZE"]))
        writer = _LEDGER["Writer"](str(disk), _LEDGER["Ledger"](0, 64))
        flush, count = os.fsync, iter(range(1000))

        def fails_second(fd):
            if next(count) == 1:
                raise OSError("flush")
            if next(count) > 6:
                writer.stop()
            flush(fd)

        with mock.patch.object(os, "fsync", fails_second), mock.patch("builtins.print"):
            assert writer.run(str(self.file)) == 0
        ledger = _LEDGER["load"](str(self.file))
        assert any(ledger.owed)
        assert _LEDGER["check"](str(disk), ledger) == []
        writer = _LEDGER["Writer"](str(disk), ledger)
        with mock.patch.object(os, "pwritev", side_effect=OSError("gone")), mock.patch("builtins.print"):
            assert writer.run(str(self.file)) == 3


class Lies(Scratch):
    """Answers that no device gave."""

    def memory(self, *parts) -> int:
        """Returns a descriptor of a memory with parts of it set: (address, bytes)."""
        self.file.write_bytes(bytes(4096))
        memory = os.open(self.file, os.O_RDWR)
        self.addCleanup(os.close, memory)
        for address, data in parts:
            os.pwrite(memory, data, address)
        return memory

    def test_the_last_answer_of_a_split_ring_is_spoilt_and_none_added(self):
        for index, last in ((6, 1), (0, 3)):
            memory = self.memory((0x202, struct.pack("<H", index)))
            _MEDDLE["_spoil_split"](memory, _SPLIT)
            assert os.pread(memory, 8, 0x204 + 8 * last) == struct.pack("<II", 0xffff, 0)
            assert os.pread(memory, 2, 0x202) == struct.pack("<H", index)

    def test_the_last_answer_of_a_packed_ring_is_spoilt(self):
        for index, last in ((2, 1), (0, 3)):
            memory = self.memory((0x100 + 16 * last + 14, b"\x80\x80"))
            _MEDDLE["_spoil_packed"](memory, {**_PACKED, "used-idx": index})
            assert os.pread(memory, 8, 0x100 + 16 * last + 8) == struct.pack("<IHH", 0, 0xffff, 0x8080)

    def test_the_guest_stands_still_meanwhile_and_goes_on_in_any_case(self):
        said = []

        class Guest:
            """A guest whose queue is not in use."""

            def monitor(self):
                """Returns its monitor."""
                return self

            def command(self, name: str, **_arguments):
                """Notes what is asked."""
                said.append(name)
                return {"vring-desc": 0}

        with self.assertRaisesRegex(OSError, "not in use"):
            _MEDDLE["actions"](Guest())["lie"]("blk0 0 split")
        assert said == ["stop", "x-query-virtio-queue-status", "cont"]
