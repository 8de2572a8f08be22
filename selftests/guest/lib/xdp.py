#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Attaches an XDP program to an interface, or detaches it; sends and counts the frames that it acts on.

usage: xdp.py attach INTERFACE pass|drop|tx|redirect [--frags] [--to INTERFACE]
       xdp.py detach INTERFACE
       xdp.py features INTERFACE
       xdp.py send INTERFACE COUNT [LENGTH]
       xdp.py count INTERFACE COUNT FILE

`count` writes "counts" to FILE when it has begun, and appends the number of frames that came: when there are COUNT
and some time passes without one more, or when no frame came for a minute.

The program passes all frames but those of Ethernet type 0x88b5 ("local experimental"). It exchanges the
addresses of those that it transmits or redirects. It is attached in native mode, so a driver that cannot
have it refuses, and its message is printed.
"""

import argparse
import ctypes
import os
import platform
import socket
import struct
import sys
import time

ETHER_TYPE = 0x88B5
#: Seconds to wait for a frame: for one that has to come, and for one too many.
_PATIENCE, _REST = 60, 1

ABORTED, DROP, PASS, TX, REDIRECT = range(5)
VERDICTS = {"pass": PASS, "drop": DROP, "tx": TX, "redirect": REDIRECT}

#: The number of bpf() by architecture.
BPF_CALL = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "loongarch64": 280}
BPF_PROG_LOAD = 5
PROG_TYPE_XDP = 6
F_XDP_HAS_FRAGS = 1 << 5
BPF_FUNC_REDIRECT = 23

NETLINK_ROUTE = 0
SO_RCVBUFFORCE = 33
SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_EXT_ACK = 270, 10, 11
RTM_SETLINK, NLMSG_ERROR = 19, 2
NLM_F_REQUEST, NLM_F_ACK, NLM_F_ACK_TLVS = 1, 4, 0x200
IFLA_XDP, IFLA_XDP_FD, IFLA_XDP_FLAGS = 43, 1, 3
NLA_F_NESTED = 0x8000
XDP_FLAGS_DRV_MODE = 1 << 2


def insn(code: int, to: int = 0, of: int = 0, off: int = 0, imm: int = 0) -> bytes:
    """Returns an instruction."""
    return struct.pack("=BBhi", code, of << 4 | to, off, imm)


def load(size: int, to: int, of: int, off: int) -> bytes:
    """Returns `to = *(of + off)`, of 2 or 4 bytes."""
    return insn(0x69 if size == 2 else 0x61, to, of, off)


def store(size: int, to: int, of: int, off: int) -> bytes:
    """Returns `*(to + off) = of`, of 2 or 4 bytes."""
    return insn(0x6B if size == 2 else 0x63, to, of, off)


def code_of(verdict: int, ifindex: int) -> bytes:
    """Returns the instructions of a program."""
    act = []
    if verdict in (TX, REDIRECT):
        act += [load(4, 0, 2, 0), load(2, 1, 2, 4), load(4, 4, 2, 6), load(2, 5, 2, 10),
                store(4, 2, 4, 0), store(2, 2, 5, 4), store(4, 2, 0, 6), store(2, 2, 1, 10)]
    if verdict == REDIRECT:
        act += [insn(0xB7, 1, imm=ifindex), insn(0xB7, 2), insn(0x85, imm=BPF_FUNC_REDIRECT), insn(0x95)]
    else:
        act += [insn(0xB7, 0, imm=verdict), insn(0x95)]
    return b"".join([
        # r2, r3: the data and its end. Short frames pass.
        load(4, 2, 1, 0), load(4, 3, 1, 4),
        insn(0xBF, 4, 2), insn(0x07, 4, imm=14), insn(0x2D, 4, 3, 2 + len(act)),
        load(2, 5, 2, 12), insn(0x55, 5, off=len(act), imm=socket.htons(ETHER_TYPE)),
        *act,
        insn(0xB7, 0, imm=PASS), insn(0x95),
    ])


def load_program(code: bytes, frags: bool) -> int:
    """Loads a program, and returns its file descriptor."""
    code_buffer = ctypes.create_string_buffer(code)
    license_buffer = ctypes.create_string_buffer(b"GPL")
    log = ctypes.create_string_buffer(1 << 16)
    attr = struct.pack("=IIQQIIQII16s", PROG_TYPE_XDP, len(code) // 8, ctypes.addressof(code_buffer),
                       ctypes.addressof(license_buffer), 1, len(log), ctypes.addressof(log), 0,
                       F_XDP_HAS_FRAGS if frags else 0, b"selftest")
    attr_buffer = ctypes.create_string_buffer(attr, 128)
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(BPF_CALL[platform.machine()], BPF_PROG_LOAD, attr_buffer, len(attr_buffer))
    if fd < 0:
        sys.exit(f"{os.strerror(ctypes.get_errno())}\n{log.value.decode()}")
    return fd


def attribute(kind: int, value: bytes) -> bytes:
    """Returns a netlink attribute."""
    return struct.pack("HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message_in(data: bytes) -> str:
    """Returns the message in the attributes after an error."""
    while len(data) >= 4:
        length, kind = struct.unpack_from("HH", data)
        if kind == 1:
            return data[4:length].rstrip(b"\0").decode()
        data = data[max(4, (length + 3) & ~3):]
    return ""


def set_program(interface: str, fd: int) -> None:
    """Attaches a program in native mode; -1 detaches it."""
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE)
    sock.setsockopt(SOL_NETLINK, NETLINK_EXT_ACK, 1)
    sock.setsockopt(SOL_NETLINK, NETLINK_CAP_ACK, 1)
    nest = attribute(IFLA_XDP_FD, struct.pack("i", fd))
    nest += attribute(IFLA_XDP_FLAGS, struct.pack("I", XDP_FLAGS_DRV_MODE))
    body = struct.pack("BxHiII", 0, 0, socket.if_nametoindex(interface), 0, 0)
    body += attribute(IFLA_XDP | NLA_F_NESTED, nest)
    sock.send(struct.pack("IHHII", 16 + len(body), RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, 1, 0) + body)
    reply = sock.recv(1 << 16)
    _, kind, flags, _, _, error = struct.unpack_from("IHHIIi", reply)
    if kind == NLMSG_ERROR and error:
        text = message_in(reply[36:]) if flags & NLM_F_ACK_TLVS else ""
        sys.exit(f"{os.strerror(-error)}: {text}")


def features(interface: str) -> int:
    """Returns the XDP features of an interface (netdev family, dev-get)."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import netdev
    netlink = netdev.Netlink()
    family = netlink.ask(netdev.GENL_ID_CTRL, netdev.CTRL_CMD_GETFAMILY, netdev.attribute(2, b"netdev\0"))
    family_id = struct.unpack("H", family[0][1][:2])[0]
    ifindex = netdev.attribute(1, struct.pack("I", socket.if_nametoindex(interface)))
    return netdev.number(netlink.ask(family_id, 1, ifindex)[0][3])


def send(interface: str, count: int, length: int) -> None:
    """Broadcasts frames."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    sock.bind((interface, 0))
    source = sock.getsockname()[4]
    for i in range(count):
        payload = bytes([i & 0xFF]) * (length - 14)
        sock.send(b"\xff" * 6 + source + struct.pack("!H", ETHER_TYPE) + payload)


def count_frames(interface: str, wanted: int, path: str) -> None:
    """Counts frames that go to the broadcast address's sender: those that were turned round."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHER_TYPE))
    # With the default, large frames would be lost here.
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)
    sock.bind((interface, ETHER_TYPE))
    with open(path, "w", buffering=1) as file:
        file.write("counts\n")
        found, end = 0, time.monotonic() + _PATIENCE
        while (left := end - time.monotonic()) > 0:
            sock.settimeout(left)
            try:
                frame, address = sock.recvfrom(1 << 16)
            except TimeoutError:
                break
            # Not those that this side sends, and intact.
            if address[2] != socket.PACKET_OUTGOING and frame[6:12] == b"\xff" * 6 and len(set(frame[14:])) == 1:
                found += 1
                end = time.monotonic() + (_PATIENCE if found < wanted else _REST)
        file.write(f"{found}\n")


def main() -> int:
    """Does what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["attach", "detach", "features", "send", "count"])
    parser.add_argument("interface")
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--frags", action="store_true")
    parser.add_argument("--to")
    args = parser.parse_args()
    if args.command == "attach":
        ifindex = socket.if_nametoindex(args.to) if args.to else 0
        set_program(args.interface, load_program(code_of(VERDICTS[args.rest[0]], ifindex), args.frags))
    elif args.command == "detach":
        set_program(args.interface, -1)
    elif args.command == "features":
        print(features(args.interface))
    elif args.command == "send":
        send(args.interface, int(args.rest[0]), int(args.rest[1]) if len(args.rest) > 1 else 200)
    else:
        count_frames(args.interface, int(args.rest[0]), args.rest[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
