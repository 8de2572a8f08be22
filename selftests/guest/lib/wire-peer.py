#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Joins a network back end of QEMU (-netdev stream) to a TAP device.

usage: wire-peer.py SOCKET INTERFACE

Makes the interface, waits for QEMU, and passes frames until QEMU closes the socket.

A frame on the socket comes after its length, in 32 bits in the order of the network.
"""

import fcntl
import os
import socket
import struct
import sys
import threading

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x2, 0x1000
_LARGEST = 1 << 16


def _tap(name: str) -> int:
    """Makes a TAP device and returns its file descriptor."""
    file = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(file, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return file


def _to_tap(stream, tap: int) -> None:
    """Passes frames to the TAP device until the other end closes."""
    while length := stream.read(4):
        frame = stream.read(int.from_bytes(length, "big"))
        try:
            os.write(tap, frame)
        except OSError:
            # The interface is down: as on a wire, the frame is lost.
            pass


def main() -> None:
    """Runs both directions."""
    path, name = sys.argv[1:]
    tap = _tap(name)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        connection, _ = listening.accept()
    with connection:
        threading.Thread(target=_to_tap, args=(connection.makefile("rb"), tap), daemon=True).start()
        while True:
            frame = os.read(tap, _LARGEST)
            connection.sendall(len(frame).to_bytes(4, "big") + frame)


if __name__ == "__main__":
    main()
