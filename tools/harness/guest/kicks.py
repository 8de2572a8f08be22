# SPDX-License-Identifier: GPL-2.0
"""Counts the kicks of a virtio device in QEMU's trace log, between marks set while a guest runs.

The log names devices by address. Which is which shows when a driver takes a device: nothing else sets the
status of one.
"""

import re
from pathlib import Path

#: What to trace.
EVENTS = ["virtio_queue_notify", "virtio_set_status"]

_STATUS = re.compile(rb"virtio_set_status vdev (0x[0-9a-f]+) ")
_NOTIFY = re.compile(rb"virtio_queue_notify vdev (0x[0-9a-f]+) ")


class Kicks:
    """Counts between marks set while a guest runs."""

    def __init__(self, log: Path):
        self._log = log
        self._marks = {}

    def mark(self, name: str) -> str:
        """Notes this moment as `name`."""
        try:
            self._marks[name] = self._log.stat().st_size
        except OSError:
            self._marks[name] = 0
        return ""

    def device(self, begin: str, end: str):
        """Returns the address of the device that was given to a driver between two marks, None unless
        it was just one."""
        found = set(_STATUS.findall(self._part(begin, end)))
        return found.pop() if len(found) == 1 else None

    def count(self, device, begin: str, end: str):
        """Returns the kicks of a device between two marks, None if they were not both set."""
        if device is None or begin not in self._marks or end not in self._marks:
            return None
        return sum(found == device for found in _NOTIFY.findall(self._part(begin, end)))

    def _part(self, begin: str, end: str) -> bytes:
        """Returns what was logged between two marks, nothing if they were not both set."""
        if begin not in self._marks or end not in self._marks:
            return b""
        with open(self._log, "rb") as log:
            log.seek(self._marks[begin])
            return log.read(self._marks[end] - self._marks[begin])
