# SPDX-License-Identifier: GPL-2.0
"""Tests selftests/guest/lib/vduse.py: the answers of a device to the messages of the kernel."""

import socket
import struct
import sys
from unittest import mock

import pytest

from harness.paths import SELFTESTS

sys.path.insert(0, str(SELFTESTS / "lib"))
import vduse  # noqa: E402

#: Types of messages, and results, as include/uapi/linux/vduse.h has them.
GET_VQ_STATE, SET_STATUS, UPDATE_IOTLB, UNKNOWN = range(4)
OK, FAILED = range(2)


# The state of a queue is not known; zeroes would be a place in it.
@pytest.mark.parametrize("kind, result", [(SET_STATUS, OK), (UPDATE_IOTLB, OK), (GET_VQ_STATE, FAILED),
                                          (UNKNOWN, FAILED)])
def test_the_answer_to_a_message(kind, result):
    kernel, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with kernel, end:
        device = vduse.Device.__new__(vduse.Device)
        device.fd, device.queues, device.memory, device._kicks = end.fileno(), {}, mock.Mock(), {}
        kernel.send(struct.pack("=II144x", kind, 7))
        device._message()
        answer = kernel.recv(256)
    assert len(answer) == 152
    assert struct.unpack_from("=II", answer) == (7, result)
