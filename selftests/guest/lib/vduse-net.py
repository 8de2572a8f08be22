#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Two NICs in a process of the guest, by VDUSE, joined by a cable.

usage: vduse-net.py [--packed] [--event-idx] [--plain] NAME NAME

The address of a NIC is 52:54:00:76:64:01 or 02. With --plain there are no offloads, nor are buffers
merged.
"""

import argparse
import struct

import cable
import vduse

import virtqueue

#: MTU, MAC, STATUS
FEATURES = [3, 5, 16]
MTU = 1500


class Nic(cable.End, vduse.Device):
    """A NIC of one queue pair."""

    kind = 1

    def __init__(self, name: str, number: int, features: list):
        config = struct.pack("=6sHHH", bytes([0x52, 0x54, 0, 0x76, 0x64, number]), 1, 1, MTU)
        super().__init__(name, vduse.offered(FEATURES + features), 2, config, 256)


def main() -> None:
    """Serves two NICs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--packed", action="store_const", const=[virtqueue.F_RING_PACKED], default=[])
    parser.add_argument("--event-idx", action="store_const", const=[virtqueue.F_EVENT_IDX], default=[])
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("names", nargs=2)
    args = parser.parse_args()
    features = [virtqueue.F_INDIRECT_DESC, *args.packed, *args.event_idx]
    if not args.plain:
        features += [cable.F_MRG_RXBUF, *cable.OFFLOADS]
    vduse.run(cable.join(*(Nic(name, number, features) for number, name in enumerate(args.names, 1))))


if __name__ == "__main__":
    main()
