# SPDX-License-Identifier: GPL-2.0
"""The part of a device in a process of its own that is the same whoever connects it to a driver."""

import os
import selectors


class Memory:
    """The memory of a driver, in parts that are mapped into this process."""

    def __init__(self):
        self._mapped = []

    def area(self, address: int, length: int) -> tuple:
        """Returns the mapping that holds a range, and the offset of the range in it."""
        raise NotImplementedError

    def read(self, address: int, length: int) -> bytes:
        """Returns bytes that the driver has written."""
        mapping, offset = self.area(address, length)
        return mapping[offset:offset + length]

    def write(self, address: int, data: bytes) -> None:
        """Writes bytes for the driver."""
        mapping, offset = self.area(address, len(data))
        mapping[offset:offset + len(data)] = data

    def forget(self) -> None:
        """Lets go of everything: a mapping goes when no queue has a part of it any more."""
        self._mapped = []


class Device:
    """A device that serves its queues; a kind of device derives from a connected one and says in `serve`
    what comes of a buffer.

    Queues are those of `virtqueue`, by index, as long as a driver has set them up.
    """

    def __init__(self):
        self.features = 0
        self.queues = {}
        #: Queue -> eventfd by which the driver tells of new buffers.
        self._kicks = {}
        self._selector = None

    def watch(self, selector) -> None:
        """Has a selector call this device when there is something to do."""
        raise NotImplementedError

    def _tell(self, index: int) -> None:
        """Raises the interrupt of a queue."""
        raise NotImplementedError

    def _begin_queue(self, index: int, queue, kick: int) -> None:
        """Serves a queue from now on."""
        self.queues[index], self._kicks[index] = queue, kick
        self._selector.register(kick, selectors.EVENT_READ, lambda: self._kicked(index))
        self._kicked(index)

    def _kicked(self, index: int) -> None:
        try:
            os.read(self._kicks[index], 8)
        except BlockingIOError:
            pass
        queue = self.queues[index]
        # A buffer may have come before the driver was asked to tell of it: looking once more finds it.
        while self.serve(index, queue) or self._again(index, queue):
            pass
        self.interrupt(index)

    def _again(self, index: int, queue) -> bool:
        queue.arm()
        return self.serve(index, queue)

    def interrupt(self, index: int) -> None:
        """Tells the driver of what was handed back, if it wants to know."""
        if self.queues[index].wants_interrupt():
            self._tell(index)

    def begin(self) -> None:
        """Is called before the first of the queues that a driver has set up is served."""

    def end(self, index: int) -> None:
        """Is called when a queue was let go of: what was taken from it and not handed back comes again."""

    def serve(self, index: int, queue) -> bool:
        """Handles the buffers in a queue, and returns whether there was one."""
        raise NotImplementedError


def run(devices: list) -> None:
    """Serves devices for ever."""
    selector = selectors.DefaultSelector()
    for device in devices:
        device.watch(selector)
    while True:
        for key, _ in selector.select():
            # One that was let go by the call before is not there any more.
            if key.fd in selector.get_map():
                key.data()
