#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The back ends of two NICs of QEMU's, by vhost-user, joined by a cable.

usage: vhost-user-net.py PAIRS SOCKET SOCKET
"""

import sys

import cable
import serving
import vhost_user

import virtqueue

#: What QEMU offers for itself, if the back end does.
MQ = 22
FEATURES = [MQ, virtqueue.F_INDIRECT_DESC, virtqueue.F_EVENT_IDX, virtqueue.F_RING_PACKED,
            cable.F_MRG_RXBUF, *cable.OFFLOADS]


class Nic(cable.End, vhost_user.Device):
    """A NIC of some queue pairs."""


def main() -> None:
    """Serves two NICs."""
    pairs, *paths = sys.argv[1:]
    features = sum(1 << bit for bit in FEATURES)
    serving.run(cable.join(*(Nic(path, features, 2 * int(pairs)) for path in paths)))


if __name__ == "__main__":
    main()
