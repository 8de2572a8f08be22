# SPDX-License-Identifier: GPL-2.0
"""Counts the kicks of each virtio device in QEMU's trace log.

The log names devices by address. Which is which comes from the order in which Linux acknowledged
them, the order of the PCI bus and so of the command line: the last status writes of value 1 are
Linux's, earlier ones the firmware's.
"""

import re
from pathlib import Path

#: What to trace.
EVENTS = ["virtio_queue_notify", "virtio_set_status"]

_STATUS = re.compile(rb"virtio_set_status vdev (0x[0-9a-f]+) val 1\s")
_NOTIFY = re.compile(rb"virtio_queue_notify vdev (0x[0-9a-f]+) ")


class Kicks:
    """Counts between marks set while a guest runs."""

    def __init__(self, log: Path, devices: list):
        """`devices` names the virtio devices in the order of the command line."""
        self._log = log
        self._devices = devices
        self._marks = {}

    def mark(self, name: str) -> str:
        """Notes this moment as `name`."""
        try:
            self._marks[name] = self._log.stat().st_size
        except OSError:
            self._marks[name] = 0
        return ""

    def between(self, begin: str, end: str, device: str):
        """Returns the kicks of a device between two marks, None if they were not both set."""
        if begin not in self._marks or end not in self._marks:
            return None
        data = self._log.read_bytes()
        order = _STATUS.findall(data)[-len(self._devices):]
        if len(order) < len(self._devices):
            return None
        address = order[self._devices.index(device)]
        part = data[self._marks[begin]:self._marks[end]]
        return sum(found == address for found in _NOTIFY.findall(part))
