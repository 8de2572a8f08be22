#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Carries known bytes over TCP, and says what is wrong with those that arrive.

usage: carry.py serve PORT			serves all that connect
       carry.py up|down HOST PORT MIB		carries so many MiB to the host, or from it

Both sides know the bytes, which come from a generator. A connection that breaks or ends early is an error, as is
each byte that is not as it was: how many there are, where, and whether they belong elsewhere, are printed. So a
page that was used again under a packet is told from a packet that was put together wrongly.
"""

import os
import random
import socket
import sys
import threading
import time

_SIZE = 8 << 20
_CHUNK = 1 << 18
#: Seconds without a byte after which a connection is given up, and for which one is tried.
_PATIENCE = 300
#: Bytes that have to be in another place for that to be told, and runs of wrong bytes that are listed.
_TELLING, _RUNS = 16, 8


def _contents() -> dict:
    """Returns the bytes that go each way, over and over."""
    return {way: random.Random(way).randbytes(_SIZE) for way in ("up", "down")}


def _origin(got: bytes, contents: dict) -> str:
    """Returns what wrong bytes are."""
    if not any(got):
        return "zeros"
    for name, content in contents.items():
        place = content.find(got[:_TELLING])
        if place >= 0:
            return f"of {name} at {place}"
    return got[:_TELLING].hex()


def _runs(got: bytes, wanted: bytes) -> list:
    """Returns (first, end) of each run of bytes that differ; what is between two runs is more than 8 equal bytes."""
    runs = []
    for place in (place for place in range(len(got)) if got[place] != wanted[place]):
        if runs and place - runs[-1][1] <= 8:
            runs[-1][1] = place + 1
        else:
            runs.append([place, place + 1])
    return runs


class Check:
    """A comparison of bytes that arrive with those that were sent."""

    def __init__(self, contents: dict, way: str):
        self._contents = contents
        self._wanted = contents[way]
        self.count = 0
        self.faults = []

    def take(self, got: bytes) -> None:
        """Compares the bytes that follow those before."""
        while got:
            start = self.count % _SIZE
            part = got[:_SIZE - start]
            wanted = self._wanted[start:start + len(part)]
            if part != wanted:
                self._explain(part, wanted)
            self.count += len(part)
            got = got[len(part):]

    def _explain(self, got: bytes, wanted: bytes) -> None:
        for first, end in _runs(got, wanted):
            origin = _origin(got[first:end], self._contents)
            self.faults.append(f"{end - first} bytes at {self.count + first} are {origin}")

    def verdict(self, length: int) -> str:
        """Returns what is wrong, nothing if all is as it was."""
        faults = self.faults[:_RUNS]
        if len(self.faults) > _RUNS:
            faults.append(f"{len(self.faults) - _RUNS} more such places")
        if self.count != length:
            faults.append(f"the connection ended after {self.count} bytes of {length}")
        return "; ".join(faults)


def _receive(connection: socket.socket, check: Check, length: int) -> str:
    """Takes so many bytes, and returns what is wrong with them."""
    try:
        while check.count < length:
            got = connection.recv(min(_CHUNK, length - check.count))
            if not got:
                break
            check.take(got)
    except OSError as e:
        return f"{check.verdict(length)}: {e}"
    return check.verdict(length)


def _send(connection: socket.socket, content: bytes, length: int) -> None:
    sent = 0
    while sent < length:
        start = sent % _SIZE
        sent += connection.send(content[start:start + min(_CHUNK, length - sent)])


def _answer(connection: socket.socket, contents: dict) -> None:
    """Serves one that has connected, which begins with a line of the way and how many MiB."""
    with connection:
        connection.settimeout(_PATIENCE)
        way, mib = connection.makefile("rb", buffering=0).readline().decode().split()
        length = int(mib) << 20
        if way == "up":
            verdict = _receive(connection, Check(contents, way), length)
            connection.sendall(verdict.encode() + b"\n")
        else:
            _send(connection, contents[way], length)
        # A socket that is closed with bytes which the other end has not got is given up by the kernel within
        # seconds, whatever tcp_retries2 says; the other end would take what it has for all.
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)


def serve(port: int) -> None:
    """Serves all that connect."""
    contents = _contents()
    with socket.create_server(("", port), backlog=64) as server:
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_answer, args=(connection, contents), daemon=True).start()


def _connect(host: str, port: int) -> socket.socket:
    """Connects, as soon as there is a way."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return socket.create_connection((host, port), timeout=_PATIENCE)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def carry(way: str, address: tuple, mib: int) -> str:
    """Carries so many MiB, and returns what is wrong with them."""
    length = mib << 20
    contents = _contents()
    with _connect(*address) as connection:
        connection.settimeout(_PATIENCE)
        connection.sendall(f"{way} {mib}\n".encode())
        if way == "down":
            return _receive(connection, Check(contents, way), length)
        _send(connection, contents[way], length)
        verdict = connection.makefile("r").readline()
        return verdict.strip() if verdict else "the connection ended before the answer"


def actions(guest) -> dict:
    """Returns what a script may ask for, for its `.host.py`: `serve PORT` on the host."""
    program = os.path.abspath(__file__)

    def start(port: str) -> None:
        guest.namespace.start([sys.executable, program, "serve", port], cwd=guest.rundir, log="carry.log")

    return {"serve": start}


def main() -> None:
    """Does what the command line asks for."""
    what, *rest = sys.argv[1:]
    if what == "serve":
        return serve(int(rest[0]))
    host, port, mib = rest
    try:
        wrong = carry(what, (host, int(port)), int(mib))
    except OSError as e:
        wrong = f"the connection broke: {e}"
    return sys.exit(wrong or None)


if __name__ == "__main__":
    main()
