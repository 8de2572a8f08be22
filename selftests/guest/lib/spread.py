#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Computes where receive-side scaling sends UDP packets over IPv4, by the table and the key that ethtool shows.

usage: spread.py ports INTERFACE QUEUE COUNT   prints source ports of the host whose packets go to a queue
       spread.py queue INTERFACE               prints the queue of all packets, if the hash covers addresses only
       spread.py table INTERFACE               prints the queues of the table, each once
"""

import socket
import subprocess
import sys

HOST, GUEST, TO_PORT = "192.0.2.1", "192.0.2.2", 9


def toeplitz(key: bytes, data: bytes) -> int:
    """Returns the Toeplitz hash (virtio spec 5.1.6.4.3)."""
    result = 0
    window = int.from_bytes(key, "big")
    bits = len(key) * 8
    for i in range(len(data) * 8):
        if data[i // 8] >> (7 - i % 8) & 1:
            result ^= window >> (bits - 32 - i) & 0xffffffff
    return result


def shown(interface: str) -> tuple:
    """Returns table and key as ethtool shows them."""
    text = subprocess.run(["ethtool", "-x", interface], check=True, capture_output=True, text=True).stdout
    table, key, in_key = [], b"", False
    for line in text.splitlines():
        head, _, rest = line.partition(":")
        if in_key and not key:
            key = bytes.fromhex(line.strip().replace(":", ""))
        elif line.startswith("RSS hash key"):
            in_key = True
        elif head.strip().isdigit():
            table += [int(queue) for queue in rest.split()]
    return table, key


def main() -> int:
    """Prints the answer to a question."""
    what, interface, *rest = sys.argv[1:]
    table, key = shown(interface)
    if what == "table":
        print(*sorted(set(table)))
        return 0
    addresses = socket.inet_aton(HOST) + socket.inet_aton(GUEST)
    if what == "queue":
        print(table[toeplitz(key, addresses) % len(table)])
        return 0
    queue, count = map(int, rest)
    found = []
    for port in range(20000, 60000):
        ports = port.to_bytes(2, "big") + TO_PORT.to_bytes(2, "big")
        if table[toeplitz(key, addresses + ports) % len(table)] == queue:
            found.append(port)
            if len(found) == count:
                print(*found)
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
