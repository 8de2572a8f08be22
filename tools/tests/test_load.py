# SPDX-License-Identifier: GPL-2.0
"""What the selftests under load are made of: a ledger that misses what a disk has lost, and a device that lies."""

import os
import runpy
import struct
from unittest import mock

import pytest

from harness.paths import SELFTESTS

_LEDGER = runpy.run_path(str(SELFTESTS / "lib" / "ledger.py"))
_MEDDLE = runpy.run_path(str(SELFTESTS / "lib" / "meddle.py"))
content, EMPTY = _LEDGER["content"], bytes(_LEDGER["SIZE"])


@pytest.fixture(autouse=True)
def _any_file_system(monkeypatch):
    """A file system in memory may have no direct I/O."""
    monkeypatch.setattr(os, "O_DIRECT", 0)


@pytest.fixture
def ledger():
    """Returns a ledger of three blocks behind the first two, of which two are owed."""
    made = _LEDGER["Ledger"](2, 3)
    made.owed, made.begun = [4, 0, 1], [6, 2, 1]
    return made


@pytest.mark.parametrize("blocks, wrong", [
    # A block has at least what is owed, and at most what was begun.
    ([content(2, 4), EMPTY, content(4, 1)], 0), ([content(2, 6), content(3, 2), content(4, 1)], 0),
    ([content(2, 3), EMPTY, content(4, 1)], 1), ([content(2, 7), content(3, 3), content(4, 1)], 2),
    # Lost, of another block, and torn.
    ([EMPTY, EMPTY, EMPTY], 2), ([content(3, 4), EMPTY, content(4, 1)], 1),
    ([content(2, 4)[:2048] + content(2, 5)[2048:], EMPTY, content(4, 1)], 1)])
def test_wrong_blocks_of_a_disk(ledger, blocks, wrong, write):
    disk = write("disk", 2 * EMPTY + b"".join(blocks))
    assert len(_LEDGER["check"](str(disk), ledger)) == wrong


def test_a_ledger_is_gone_on_with(ledger, tmp_path):
    ledger.save(str(tmp_path / "file"))
    again = _LEDGER["load"](str(tmp_path / "file"))
    assert (again.first, again.owed, again.begun, again.done) == (2, [4, 0, 1], [6, 2, 1], [4, 0, 1])


def test_what_a_disk_takes_is_owed_and_what_it_refuses_is_told(tmp_path, write, monkeypatch):
    # Smaller than the blocks: a write fails, as to a disk that has gone.
    disk, file = str(write("disk", 64 * EMPTY)), str(tmp_path / "file")
    writer = _LEDGER["Writer"](disk, _LEDGER["Ledger"](0, 64))
    flush, count = os.fsync, iter(range(1000))

    def fails_second(fd):
        if next(count) == 1:
            raise OSError("flush")
        if next(count) > 6:
            writer.stop()
        flush(fd)

    monkeypatch.setattr(os, "fsync", fails_second)
    assert writer.run(file) == 0
    ledger = _LEDGER["load"](file)
    assert any(ledger.owed)
    assert _LEDGER["check"](disk, ledger) == []
    writer = _LEDGER["Writer"](disk, ledger)
    monkeypatch.setattr(os, "pwritev", mock.Mock(side_effect=OSError("gone")))
    assert writer.run(file) == 3


@pytest.fixture
def memory(write):
    """Returns a descriptor of a memory."""
    with open(write("memory", bytes(4096)), "r+b") as file:
        yield file.fileno()


@pytest.mark.parametrize("index, last", [(6, 1), (0, 3)])
def test_the_last_answer_of_a_split_ring_is_spoilt_and_none_added(memory, index, last):
    os.pwrite(memory, struct.pack("<H", index), 0x202)
    _MEDDLE["_spoil_split"](memory, {"vring-desc": 0x100, "vring-used": 0x200, "vring-num": 4})
    assert os.pread(memory, 8, 0x204 + 8 * last) == struct.pack("<II", 0xffff, 0)
    assert os.pread(memory, 2, 0x202) == struct.pack("<H", index)


@pytest.mark.parametrize("index, last", [(2, 1), (0, 3)])
def test_the_last_answer_of_a_packed_ring_is_spoilt(memory, index, last):
    os.pwrite(memory, b"\x80\x80", 0x100 + 16 * last + 14)
    _MEDDLE["_spoil_packed"](memory, {"vring-desc": 0x100, "vring-num": 4, "used-idx": index})
    assert os.pread(memory, 8, 0x100 + 16 * last + 8) == struct.pack("<IHH", 0, 0xffff, 0x8080)


def test_the_guest_stands_still_for_a_lie_and_goes_on_in_any_case():
    guest = mock.Mock()
    guest.monitor().command.return_value = {"vring-desc": 0}
    with pytest.raises(OSError, match="not in use"):
        _MEDDLE["actions"](guest)["lie"]("blk0 0 split")
    assert [call.args[0] for call in guest.monitor().command.call_args_list] == [
        "stop", "x-query-virtio-queue-status", "cont"]
