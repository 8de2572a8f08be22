#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sends frames back by an AF_XDP socket without copies; sends frames, and checks those that come back.

usage: xsk.py echo INTERFACE FILE [--queue N] [--unaligned] [--chunk SIZE] [--no-wakeup] [--busy]
       xsk.py try INTERFACE [--queue N]
       xsk.py flood INTERFACE ADDRESS COUNT LENGTH

`echo` runs until FILE.stop exists or it is killed. It writes FILE when it is ready, and replaces the contents by
the numbers of frames that it got, and of those that were damaged. `try` prints the error of bind(), or ok.
`flood` prints the numbers of frames that came back intact, and of those that were damaged. A frame of Ethernet
type 0x88b6 ("local experimental") has a CRC of its contents.
"""

import argparse
import ctypes
import errno
import faulthandler
import mmap
import os
import platform
import select
import signal
import socket
import struct
import sys
import time
import zlib

ETHER_TYPE = 0x88B6

AF_XDP, SOL_XDP = 44, 283
XDP_MMAP_OFFSETS, XDP_RX_RING, XDP_TX_RING, XDP_UMEM_REG = 1, 2, 3, 4
XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_OPTIONS = 5, 6, 8
XDP_ZEROCOPY, XDP_USE_NEED_WAKEUP = 4, 8
PGOFF_RX, PGOFF_TX, PGOFF_FILL, PGOFF_COMPLETION = 0, 0x80000000, 0x100000000, 0x180000000
SO_BUSY_POLL, SO_PREFER_BUSY_POLL, SO_BUSY_POLL_BUDGET = 46, 69, 70
SO_RCVBUFFORCE = 33
BASE = (1 << 48) - 1

#: Seconds without a frame after which no more are waited for.
_PATIENCE = 60

ENTRIES = 256
CHUNKS = 512

MAP_TYPE_XSKMAP, BPF_MAP_CREATE, BPF_MAP_UPDATE = 17, 0, 2
BPF_FUNC_REDIRECT_MAP = 51


class Ring:
    """A ring that is shared with the kernel."""

    def __init__(self, sock, pgoff: int, offsets: tuple, packets: bool):
        self.producer, self.consumer, self.desc, self.flags_at = offsets
        self.packets = packets
        self.size = 16 if packets else 8
        self.memory = mmap.mmap(sock.fileno(), self.desc + ENTRIES * self.size,
                                mmap.MAP_SHARED | mmap.MAP_POPULATE,
                                mmap.PROT_READ | mmap.PROT_WRITE, offset=pgoff)

    def _get(self, at: int) -> int:
        return struct.unpack_from("I", self.memory, at)[0]

    def _put(self, at: int, value: int) -> None:
        """Stores an index at once. `struct.pack_into` zeroes the bytes before, which the kernel may see."""
        ctypes.c_uint32.from_buffer(self.memory, at).value = value & 0xFFFFFFFF

    def flags(self) -> int:
        """Returns the flags: whether the kernel wants to be woken."""
        return self._get(self.flags_at)

    def push(self, addr: int, length: int = 0) -> bool:
        """Adds an entry, if there is room."""
        at = self._get(self.producer)
        if at - self._get(self.consumer) & 0xFFFFFFFF >= ENTRIES:
            return False
        entry = struct.pack("QII", addr, length, 0) if self.packets else struct.pack("Q", addr)
        place = self.desc + at % ENTRIES * self.size
        self.memory[place:place + self.size] = entry
        self._put(self.producer, at + 1)
        return True

    def pop(self):
        """Takes an entry, if there is one."""
        at = self._get(self.consumer)
        if at == self._get(self.producer):
            return None
        place = self.desc + at % ENTRIES * self.size
        entry = struct.unpack_from("QII" if self.packets else "Q", self.memory, place)
        self._put(self.consumer, at + 1)
        return entry[:2] if self.packets else entry[0]


class Socket:
    """A socket that uses a queue of an interface without copies."""

    def __init__(self, interface: str, args):
        self.chunk = args.chunk
        self.sock = socket.socket(AF_XDP, socket.SOCK_RAW, 0)
        self.umem = mmap.mmap(-1, CHUNKS * self.chunk, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self.umem))
        registration = struct.pack("QQIIII", address, len(self.umem), self.chunk, 0, int(args.unaligned), 0)
        self.sock.setsockopt(SOL_XDP, XDP_UMEM_REG, registration)
        for option in (XDP_UMEM_FILL_RING, XDP_UMEM_COMPLETION_RING, XDP_RX_RING, XDP_TX_RING):
            self.sock.setsockopt(SOL_XDP, option, ENTRIES)
        offsets = struct.unpack("16Q", self.sock.getsockopt(SOL_XDP, XDP_MMAP_OFFSETS, 128))
        self.rx = Ring(self.sock, PGOFF_RX, offsets[0:4], True)
        self.tx = Ring(self.sock, PGOFF_TX, offsets[4:8], True)
        self.fill = Ring(self.sock, PGOFF_FILL, offsets[8:12], False)
        self.completion = Ring(self.sock, PGOFF_COMPLETION, offsets[12:16], False)
        if args.busy:
            for option, value in ((SO_PREFER_BUSY_POLL, 1), (SO_BUSY_POLL, 20), (SO_BUSY_POLL_BUDGET, 64)):
                self.sock.setsockopt(socket.SOL_SOCKET, option, value)
        flags = XDP_ZEROCOPY | (0 if args.no_wakeup else XDP_USE_NEED_WAKEUP)
        place = struct.pack("HHIII", AF_XDP, flags, socket.if_nametoindex(interface), args.queue, 0)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.bind(self.sock.fileno(), place, len(place)):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    def is_zero_copy(self) -> bool:
        """Says whether packets are not copied."""
        return bool(struct.unpack("I", self.sock.getsockopt(SOL_XDP, XDP_OPTIONS, 4))[0] & 1)


def wake_tx(libc, fd: int) -> None:
    """Has the kernel transmit: sendto() without data."""
    libc.sendto(fd, None, 0, socket.MSG_DONTWAIT, None, 0)


def wake_rx(libc, fd: int) -> None:
    """Has the kernel look for memory to receive to, and poll: recvfrom() without data."""
    libc.recvfrom(fd, None, 0, socket.MSG_DONTWAIT, None, None)


def attach(interface: str, sock, queue: int) -> None:
    """Attaches a program that passes the frames to the socket."""
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    import xdp
    libc = ctypes.CDLL(None, use_errno=True)

    def bpf(command: int, attr: bytes) -> int:
        buffer = ctypes.create_string_buffer(attr, 128)
        ret = libc.syscall(xdp.BPF_CALL[platform.machine()], command, buffer, len(buffer))
        if ret < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return ret

    fd = bpf(BPF_MAP_CREATE, struct.pack("IIII", MAP_TYPE_XSKMAP, 4, 4, 64))
    key = ctypes.c_uint32(queue)
    value = ctypes.c_uint32(sock.fileno())
    bpf(BPF_MAP_UPDATE, struct.pack("IxxxxQQQ", fd, ctypes.addressof(key), ctypes.addressof(value), 0))
    act = [xdp.load(4, 2, 1, 16),
           xdp.insn(0x18, 1, 1, imm=fd), xdp.insn(0),
           xdp.insn(0xB7, 3, imm=xdp.PASS), xdp.insn(0x85, imm=BPF_FUNC_REDIRECT_MAP), xdp.insn(0x95)]
    code = b"".join([
        xdp.load(4, 2, 1, 0), xdp.load(4, 3, 1, 4),
        xdp.insn(0xBF, 4, 2), xdp.insn(0x07, 4, imm=14), xdp.insn(0x2D, 4, 3, 2 + len(act)),
        xdp.load(2, 5, 2, 12), xdp.insn(0x55, 5, off=len(act), imm=socket.htons(ETHER_TYPE)),
        *act,
        xdp.insn(0xB7, 0, imm=xdp.PASS), xdp.insn(0x95),
    ])
    xdp.set_program(interface, xdp.load_program(code, False))


def is_intact(frame: bytes) -> bool:
    """Says whether the CRC of a frame is right. Padding of short frames is not covered."""
    length, crc = struct.unpack_from("!HI", frame, 14)
    return length <= len(frame) and zlib.crc32(frame[20:length]) == crc


def echo(interface: str, path: str, args) -> None:
    """Sends frames back."""
    # A test that finds this program hanging asks where.
    faulthandler.register(signal.SIGUSR1)
    xsk = Socket(interface, args)
    if not xsk.is_zero_copy():
        sys.exit("packets are copied")
    attach(interface, xsk.sock, args.queue)
    free = [i * xsk.chunk for i in range(CHUNKS)]
    libc = ctypes.CDLL(None)
    fd = xsk.sock.fileno()
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    got = bad = pending = 0
    written = None
    while not os.path.exists(path + ".stop"):
        while free and xsk.fill.push(free[-1]):
            free.pop()
        if xsk.fill.flags() & 1 or args.busy:
            wake_rx(libc, fd)
        if written != (got, bad):
            with open(path + ".new", "w") as file:
                file.write(f"{got} {bad}\n")
            os.rename(path + ".new", path)
            written = (got, bad)
        if not args.busy:
            poll.poll(2 if pending else 50)
        sends = False
        while packet := xsk.rx.pop():
            addr, length = packet
            at = (addr & BASE) + (addr >> 48)
            frame = bytes(xsk.umem[at:at + length])
            got += 1
            bad += not is_intact(frame)
            xsk.umem[at:at + 12] = frame[6:12] + frame[:6]
            while not xsk.tx.push(addr, length):
                wake_tx(libc, fd)
            pending += 1
            sends = True
        if (sends or pending) and (xsk.tx.flags() & 1 or args.busy):
            wake_tx(libc, fd)
        while (addr := xsk.completion.pop()) is not None:
            addr &= BASE
            free.append(addr - addr % xsk.chunk)
            pending -= 1


def flood(interface: str, address: str, count: int, length: int) -> None:
    """Sends frames, and checks those that come back."""
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHER_TYPE))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 23)
    sock.bind((interface, ETHER_TYPE))
    source = sock.getsockname()[4]
    target = bytes.fromhex(address.replace(":", ""))
    seen = set()
    bad = 0
    # Frames of another run do not count.
    run = os.urandom(4)

    def receive(wait: float) -> bool:
        nonlocal bad
        sock.settimeout(wait)
        try:
            frame, place = sock.recvfrom(1 << 16)
        except (TimeoutError, BlockingIOError):
            return False
        if place[2] != socket.PACKET_OUTGOING and frame[:6] == source:
            if frame[24:28] != run and is_intact(frame):
                return True
            if is_intact(frame):
                seen.add(struct.unpack_from("!I", frame, 20)[0])
            else:
                bad += 1
        return True

    for i in range(count):
        size = 60 + (i * 37) % (length - 59) if length > 60 else 60
        body = struct.pack("!I", i) + run + bytes((i + j) & 0xFF for j in range(size - 28))
        sock.send(target + source + struct.pack("!HHI", ETHER_TYPE, size, zlib.crc32(body)) + body)
        while receive(0):
            pass
        # The socket has memory for so many frames.
        while i - len(seen) - bad > 100:
            if not receive(_PATIENCE):
                count = 0
                break
        if count == 0:
            break
    end = time.monotonic() + _PATIENCE
    while len(seen) + bad < count and time.monotonic() < end:
        receive(1)
    print(len(seen), bad)


def main() -> int:
    """Does what the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=["echo", "try", "flood"])
    parser.add_argument("interface")
    parser.add_argument("rest", nargs="*")
    parser.add_argument("--queue", type=int, default=0)
    parser.add_argument("--chunk", type=int, default=4096)
    parser.add_argument("--unaligned", action="store_true")
    parser.add_argument("--no-wakeup", action="store_true")
    parser.add_argument("--busy", action="store_true")
    args = parser.parse_args()
    if args.command == "echo":
        echo(args.interface, args.rest[0], args)
    elif args.command == "try":
        try:
            Socket(args.interface, args)
            print("ok")
        except OSError as error:
            print(errno.errorcode[error.errno])
    else:
        flood(args.interface, args.rest[0], int(args.rest[1]), int(args.rest[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
