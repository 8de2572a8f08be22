#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes blocks of a disk and keeps a ledger of what the disk owes.

usage: ledger.py write DISK FIRST BLOCKS LEDGER	until SIGTERM, or until a write fails
       ledger.py check DISK LEDGER

Each block of 4 KiB is full of its number and of how many times it was written. The ledger has for each of them
the least that must be found there, which is what was written when a flush that succeeded began, and the
most that can be, which is what was begun. Flushes that fail promise nothing. A ledger that is there is gone on
with. `write` prints how many writes and flushes succeeded, how many flushes failed, and why it ended; it exits
with 3 if a write failed.
"""

import mmap
import os
import signal
import struct
import sys
import threading
import time

SIZE = 4096
WRITERS = 4
#: Seconds between the end of a flush and the next.
PAUSE = 0.05

_COUNT = struct.Struct("<QQ")


class Ledger:
    """What is known of a disk's blocks."""

    def __init__(self, first: int, blocks: int):
        self.first = first
        self.begun = [0] * blocks
        self.done = [0] * blocks
        self.owed = [0] * blocks

    def save(self, path: str) -> None:
        """Writes the ledger to a file, which is whole or not there."""
        with open(path + ".new", "w", encoding="ascii") as out:
            out.write(f"{self.first}\n")
            for owed, begun in zip(self.owed, self.begun):
                out.write(f"{owed} {begun}\n")
        os.rename(path + ".new", path)


def load(path: str) -> Ledger:
    """Returns the ledger that a file has."""
    with open(path, encoding="ascii") as text:
        first, *lines = text.read().splitlines()
    ledger = Ledger(int(first), len(lines))
    for number, line in enumerate(lines):
        ledger.owed[number], ledger.begun[number] = map(int, line.split())
    ledger.done = list(ledger.owed)
    return ledger


def content(block: int, count: int) -> bytes:
    """Returns what a block has that was written so many times."""
    return _COUNT.pack(block, count) * (SIZE // _COUNT.size)


class Writer:
    """Writes and flushes."""

    def __init__(self, disk: str, ledger: Ledger):
        self._disk = os.open(disk, os.O_RDWR | os.O_DIRECT)
        self._ledger = ledger
        self._stop = threading.Event()
        self._why = []
        self._writes = [0] * WRITERS
        self.flushed = self.unflushed = 0

    def stop(self) -> None:
        """Ends the writing."""
        self._stop.set()

    def _write(self, writer: int) -> None:
        ledger, room = self._ledger, mmap.mmap(-1, SIZE)
        mine = range(writer, len(ledger.begun), WRITERS)
        while not self._stop.is_set():
            for number in mine:
                block = ledger.first + number
                ledger.begun[number] += 1
                room[:] = content(block, ledger.begun[number])
                try:
                    if os.pwritev(self._disk, [room], block * SIZE) != SIZE:
                        raise OSError("a write is short")
                except OSError as error:
                    self._why.append(str(error))
                    self.stop()
                if self._stop.is_set():
                    return
                ledger.done[number] = ledger.begun[number]
                self._writes[writer] += 1

    def _flush(self, path: str) -> None:
        while not self._stop.wait(PAUSE):
            done = list(self._ledger.done)
            try:
                os.fsync(self._disk)
            except OSError:
                self.unflushed += 1
                # A disk that fails everything at once is not asked in vain all the time.
                time.sleep(PAUSE)
                continue
            self._ledger.owed = done
            self.flushed += 1
            if self.flushed == 1:
                self._ledger.save(path)

    def run(self, path: str) -> int:
        """Writes until told to stop or until a write fails, and returns the exit status. The file is there from
        the first flush on."""
        threads = [threading.Thread(target=self._write, args=(writer,)) for writer in range(WRITERS)]
        threads.append(threading.Thread(target=self._flush, args=(path,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._ledger.save(path)
        print(f"writes {sum(self._writes)} flushes {self.flushed} unflushed {self.unflushed}",
              f"end {self._why[0] if self._why else 'asked for'}", flush=True)
        return 3 if self._why else 0


def check(disk: str, ledger: Ledger) -> list:
    """Returns what is wrong with a disk."""
    wrong = []
    source, room = os.open(disk, os.O_RDONLY | os.O_DIRECT), mmap.mmap(-1, SIZE)
    for number, (owed, begun) in enumerate(zip(ledger.owed, ledger.begun)):
        block = ledger.first + number
        os.preadv(source, [room], block * SIZE)
        found, count = _COUNT.unpack_from(room)
        if not owed and (found, count) != (block, count):
            # Nobody has said that it was ever written.
            continue
        if room[:] != content(block, count):
            wrong.append(f"block {block} is not as it was ever written")
        elif not owed <= count <= begun:
            wrong.append(f"block {block} is that of write {count}, not one of {owed} to {begun}")
    return wrong


def main() -> int:
    """Writes, or checks."""
    how, disk, *rest = sys.argv[1:]
    if how == "write":
        first, blocks, path = int(rest[0]), int(rest[1]), rest[2]
        writer = Writer(disk, load(path) if os.path.exists(path) else Ledger(first, blocks))
        signal.signal(signal.SIGTERM, lambda *_: writer.stop())
        return writer.run(path)
    ledger = load(rest[0])
    wrong = check(disk, ledger)
    print(f"{sum(map(bool, ledger.owed))} of {len(ledger.owed)} blocks are owed,", f"{len(wrong)} are wrong",
          *wrong[:10], sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
