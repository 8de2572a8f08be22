# SPDX-License-Identifier: GPL-2.0
"""Keeps two runs of the harness from making the same thing at the same time."""

import contextlib
import fcntl
import os
import threading
from pathlib import Path

from .say import say

#: The lowest number of a lock's descriptor. Children inherit them, and need low numbers for themselves:
#: mmdebstrap has dash write to one of its own, and dash knows numbers of one digit only.
_FIRST = 100


#: The descriptors of locks that a thread holds, as `descriptors`.
_thread = threading.local()


def held() -> list:
    """Returns the descriptors of this thread's locks, which children are to inherit: what a run that
    was killed has left running keeps them."""
    return list(getattr(_thread, "descriptors", ()))


@contextlib.contextmanager
def only_one(path: Path):
    """Holds a lock on `path` and ".lock"; waits for another run that has it.

    The lock goes with the process and its children, so a run that was killed leaves nothing behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f".{path.name}.lock"), "w", encoding="ascii") as file:
        lock = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, _FIRST)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another run that is busy with {path}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        _thread.descriptors = [*held(), lock]
        try:
            yield
        finally:
            _thread.descriptors.remove(lock)
    finally:
        os.close(lock)
