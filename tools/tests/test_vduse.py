# SPDX-License-Identifier: GPL-2.0
"""Tests selftests/guest/lib/vduse.py: the answers of a device to the messages of the kernel."""

import socket
import struct
import sys
import unittest
from unittest import mock

from harness.paths import SELFTESTS

sys.path.insert(0, str(SELFTESTS / "lib"))
import vduse  # noqa: E402 pylint: disable=wrong-import-position

#: Types of messages, and results, as include/uapi/linux/vduse.h has them.
GET_VQ_STATE, SET_STATUS, UPDATE_IOTLB = range(3)
OK, FAILED = range(2)


class Answers(unittest.TestCase):
    """A device and a kernel."""

    def ask(self, kind: int) -> int:
        """Sends a message of a kind, and returns the result that the device gives."""
        kernel, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with kernel, end:
            device = vduse.Device.__new__(vduse.Device)
            device.fd, device.queues, device.memory = end.fileno(), {}, mock.Mock()
            device._kicks = {}  # pylint: disable=protected-access
            kernel.send(struct.pack("=II144x", kind, 7))
            device._message()  # pylint: disable=protected-access
            answer = kernel.recv(256)
        self.assertEqual(len(answer), 152)
        ident, result = struct.unpack_from("=II", answer)
        self.assertEqual(ident, 7)
        return result

    def test_served(self):
        self.assertEqual(self.ask(SET_STATUS), OK)
        self.assertEqual(self.ask(UPDATE_IOTLB), OK)

    def test_refused(self):
        """The state of a queue is not known; zeroes would be a place in it."""
        self.assertEqual(self.ask(GET_VQ_STATE), FAILED)
        self.assertEqual(self.ask(3), FAILED)


if __name__ == "__main__":
    unittest.main()
