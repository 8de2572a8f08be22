#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Dumps what the kernel's netdev family tells of an interface, as JSON: one object per line.

usage: netdev.py dev|queues|napis|qstats|qstats-queue|page-pools INTERFACE
"""

import json
import socket
import struct
import sys

GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY = 3
NLM_F_REQUEST, NLM_F_DUMP = 1, 0x300
NLMSG_ERROR, NLMSG_DONE = 2, 3

#: Command, where the interface is in the reply, names of attributes (include/uapi/linux/netdev.h).
DUMPS = {
    "dev": (1, 1, {1: "ifindex", 3: "xdp-features", 4: "xdp-zc-max-segs", 5: "xdp-rx-metadata-features",
                   6: "xsk-features"}),
    "page-pools": (5, 2, {1: "id", 2: "ifindex", 3: "napi-id", 4: "inflight",
                          5: "inflight-mem", 6: "detach-time"}),
    "queues": (10, 2, {1: "id", 2: "ifindex", 3: "type", 4: "napi-id"}),
    "napis": (11, 1, {1: "ifindex", 2: "id", 3: "irq"}),
    "qstats": (12, 1, {1: "ifindex", 2: "type", 3: "id", 8: "rx-packets", 9: "rx-bytes",
                       10: "tx-packets", 11: "tx-bytes", 12: "rx-alloc-fail", 13: "rx-hw-drops",
                       33: "tx-stop", 34: "tx-wake"}),
}


def attributes(data: bytes) -> dict:
    """Returns number -> bytes of the attributes in a message."""
    found = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("HH", data)
        if length < 4:
            break
        found[kind & 0x3fff] = data[4:length]
        data = data[(length + 3) & ~3:]
    return found


def attribute(kind: int, value: bytes) -> bytes:
    """Returns one attribute."""
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


class Netlink:
    """A generic netlink socket."""

    def __init__(self):
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self._sock.bind((0, 0))

    def ask(self, family: int, command: int, body: bytes, flags: int = 0):
        """Sends a request and returns the attributes of each reply."""
        length = 20 + len(body)
        head = struct.pack("IHHIIBBH", length, family, NLM_F_REQUEST | flags, 1, 0, command, 1, 0)
        self._sock.send(head + body)
        replies = []
        while True:
            data = self._sock.recv(1 << 16)
            while len(data) >= 16:
                length, kind = struct.unpack_from("IH", data)
                if kind == NLMSG_DONE:
                    return replies
                if kind == NLMSG_ERROR:
                    error = struct.unpack_from("i", data, 16)[0]
                    if error:
                        raise OSError(-error, "netlink")
                    return replies
                replies.append(attributes(data[20:length]))
                data = data[(length + 3) & ~3:]
            if not flags & NLM_F_DUMP:
                return replies


def number(value: bytes) -> int:
    """Returns an unsigned attribute of 4 or 8 bytes."""
    return int.from_bytes(value, sys.byteorder)


def dump(what: str, interface: str) -> list:
    """Returns the objects of a dump that are of an interface: name of an attribute -> number."""
    ifindex = socket.if_nametoindex(interface)
    netlink = Netlink()
    family = netlink.ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, attribute(2, b"netdev\0"))
    family_id = struct.unpack("H", family[0][1][:2])[0]
    body = attribute(4, struct.pack("I", 1)) if what == "qstats-queue" else b""
    command, where, names = DUMPS["qstats" if what == "qstats-queue" else what]
    return [{names.get(kind, str(kind)): number(value) for kind, value in sorted(reply.items())}
            for reply in netlink.ask(family_id, command, body, NLM_F_DUMP)
            if number(reply.get(where, b"")) == ifindex]


def main() -> int:
    """Prints a dump."""
    for found in dump(*sys.argv[1:]):
        print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
