#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Changes a modern virtio device on PCI behind its driver's back.

usage: behind.py ADDRESS asks		its status says that it needs a reset, which the driver sees at the next
					change of the configuration
       behind.py ADDRESS stops		its status has lost DRIVER_OK: a NIC moves no packet any more
       behind.py ADDRESS forgets N	it forgets its first N queues and what was in them
       behind.py ADDRESS drops INDEX	it forgets the queue with this index

The device is reached through the window that it has in its configuration space (virtio 1.2, 4.1.4.9). A reset undoes
all of it.
"""

import os
import sys

_FIRST_CAPABILITY, _VENDOR = 0x34, 9
_COMMON, _WINDOW = 1, 5
#: Fields of the common configuration: (offset, length).
_STATUS, _QUEUE_SELECT, _QUEUE_RESET = (20, 1), (22, 2), (58, 2)
_DRIVER_OK, _NEEDS_RESET = 0x04, 0x40


class Device:
    """The common configuration of a device."""

    def __init__(self, address: str):
        self._config = os.open(f"/sys/bus/pci/devices/{address}/config", os.O_RDWR)
        common, self._window = self._capability(_COMMON), self._capability(_WINDOW)
        os.pwrite(self._config, os.pread(self._config, 1, common + 4), self._window + 4)
        self._offset = int.from_bytes(os.pread(self._config, 4, common + 8), "little")

    def _capability(self, kind: int) -> int:
        """Returns where in the configuration space a capability of a kind is.

        # Errors

        `OSError` if there is none.
        """
        at = os.pread(self._config, 1, _FIRST_CAPABILITY)[0]
        while at:
            number, following, _, found = os.pread(self._config, 4, at)
            if number == _VENDOR and found == kind:
                return at
            at = following
        raise OSError(f"the function has no virtio capability of kind {kind}")

    def _look(self, field: tuple) -> None:
        offset, length = field
        os.pwrite(self._config, (self._offset + offset).to_bytes(4, "little"), self._window + 8)
        os.pwrite(self._config, length.to_bytes(4, "little"), self._window + 12)

    def read(self, field: tuple) -> int:
        """Returns what a field has."""
        self._look(field)
        return int.from_bytes(os.pread(self._config, field[1], self._window + 16), "little")

    def write(self, field: tuple, value: int) -> None:
        """Writes a field."""
        self._look(field)
        os.pwrite(self._config, value.to_bytes(field[1], "little"), self._window + 16)


def main() -> None:
    """Changes a device."""
    address, what, *rest = sys.argv[1:]
    device = Device(address)
    status = device.read(_STATUS)
    if not status & _DRIVER_OK:
        raise OSError("the device is not in use")
    if what == "asks":
        device.write(_STATUS, status | _NEEDS_RESET)
    elif what == "stops":
        device.write(_STATUS, status & ~_DRIVER_OK)
    else:
        number = int(rest[0])
        for queue in [number] if what == "drops" else range(number):
            device.write(_QUEUE_SELECT, queue)
            device.write(_QUEUE_RESET, 1)


if __name__ == "__main__":
    main()
