#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Sends the same requests by netlink to a NIC with the C driver and to one with the Rust driver, and compares.

usage: PYTHONPATH=YNL fuzz_like_c.py C-INTERFACE RUST-INTERFACE ALLOWED SEEDS COUNT

YNL is a directory with the kernel's library for netlink (pyynl), and in "specs" the specifications that it reads.

Compares of each request whether it fails, how, with which message, and the answer, and after some requests what can be
asked of the interfaces. An answer that pyynl cannot read is the same for both and shows nothing: so all of the state
must be readable, and something of at least half of the operations. ALLOWED has the differences that docs/drop-in.md
lists, one in a line: operation (a glob), difference (a regular expression), reason. Prints TAP, with a test for each of
the SEEDS.
"""

import errno
import fnmatch
import json
import re
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pyynl
import xdp
from fuzz_requests import Requests
from pyynl import NlError, YnlException, YnlFamily

_SPECS = {"ethtool": "ethtool.yaml", "link": "rt-link.yaml", "netdev": "netdev.yaml", "shaper": "net_shaper.yaml"}
_HOSTS = ("192.0.2.1", "198.51.100.1")
_ADDRESS = "52:54:00:00:00:66"

#: Requests after which the interfaces are compared.
_EVERY = 10
#: Differences that are printed.
_SHOWN = 40

#: Of an answer, what is the interface's own, or comes from traffic or at some time later.
_OWN = {"dev-index", "dev-name", "ifi-index", "ifindex", "ifname", "perm-address", "stats", "stats64", "map",
        "carrier", "carrier-changes", "carrier-up-count", "carrier-down-count", "operstate", "parent-dev-name",
        "parent-dev-bus-name", "napi-id", "irq", "pid", "header", "id-of-napi", "broadcast-of", "af-spec", "phc-index"}
#: Flags that come some time later: running, lower layer up, dormant.
_LATER = 0x40 | 0x10000 | 0x20000
#: Operations whose answers are counters: only their names are compared.
_COUNTERS = {"stats-get", "qstats-get", "getstats"}

#: What is asked of an interface to see its state.
_STATE = [("link", "getlink", {}), ("netdev", "dev-get", {}), *(("ethtool", f"{name}-get", {}) for name in (
    "features", "rings", "channels", "coalesce", "rss", "linkmodes", "linkinfo", "debug", "wol", "privflags"))]


def plain(value, counters: bool = False):
    """Returns an answer without what is the interface's own."""
    if isinstance(value, dict):
        return {key: plain(one, counters) & ~_LATER if key == "ifi-flags" and isinstance(one, int)
                else plain(one, counters) for key, one in value.items() if key not in _OWN}
    if isinstance(value, (list, tuple)):
        return [plain(one, counters) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if isinstance(value, bytes):
        return value.hex()
    return "counter" if counters and isinstance(value, int) else value


class Nic:
    """An interface, and requests to it."""

    def __init__(self, name: str, families: dict):
        self.name, self._families = name, families
        self._index = socket.if_nametoindex(name)

    def ask(self, family: str, op: str, values: dict) -> dict:
        """Sends a request, and returns what comes of it, in a form that is the same for like interfaces."""
        known = self._families[family]
        request = self._addressed(known.ops[op], json.loads(json.dumps(values, default=_packed), object_hook=_unpacked))
        try:
            answer = known.do(op, request)
        except NlError as error:
            extack = error.nl_msg.extack or {}
            return {"error": errno.errorcode.get(error.error, str(error.error)),
                    "message": extack.get("msg", "").replace(self.name, "IFACE"),
                    "place": str(extack.get("bad-attr", extack.get("miss-type", "")))}
        except Exception as error:  # pylint: disable=broad-except
            # What pyynl cannot read: it leaves the rest of the answer in its socket.
            self._drain(known.sock)
            return {"unreadable": f"{type(error).__name__}: {error}".replace(str(self._index), "INDEX")}
        return {"answer": plain(answer, op in _COUNTERS)}

    def _addressed(self, op, values: dict) -> dict:
        """Returns the attributes of a request with the interface that it is for."""
        attributes = op["do"]["request"].get("attributes", [])
        if op.fixed_header == "ifinfomsg":
            return {"ifi-index": self._index, **values}
        if op.fixed_header == "if-stats-msg":
            return {"ifindex": self._index, "filter-mask": 1, **values}
        if "header" in attributes:
            return {**values, "header": {"dev-index": self._index, **values.get("header", {})}}
        if op.name in ("napi-get", "napi-set"):
            return {**values, "id": self._napi(values.get("id", 0) % 4)}
        if "ifindex" in attributes:
            return {"ifindex": self._index, **values}
        return values

    def _napi(self, queue: int) -> int:
        """Returns the id of a receive queue's NAPI instance, another number if it has none."""
        try:
            return self._families["netdev"].do("queue-get", {"ifindex": self._index, "type": "rx",
                                                             "id": queue}).get("napi-id", 0)
        except NlError:
            return 0

    @staticmethod
    def _drain(sock: socket.socket) -> None:
        try:
            while sock.recv(1 << 17, socket.MSG_DONTWAIT):
                pass
        except OSError:
            pass

    def state(self) -> dict:
        """Returns what can be asked of the interface."""
        return {op: self.ask(family, op, values) for family, op, values in _STATE}


def _packed(value) -> dict:
    return {"_bytes": value.hex()}


def _unpacked(value: dict):
    return bytes.fromhex(value["_bytes"]) if "_bytes" in value else value


class Allowed:
    """The differences that may be."""

    def __init__(self, path: str):
        rows = [line.split(" | ", 2) for line in Path(path).read_text().splitlines()
                if line and not line.startswith("#")]
        self._rules = [(op, re.compile(text)) for op, text, _reason in rows]

    def has(self, op: str, text: str) -> bool:
        """Returns whether a difference of an operation may be."""
        return any(fnmatch.fnmatch(op, glob) and wanted.search(text) for glob, wanted in self._rules)


class Traffic:
    """Packets both ways on both interfaces."""

    def __init__(self):
        loop = "while :; do iperf3 -c {0} -p {1} --bidir -b 20M -t 5 >/dev/null 2>&1; sleep 0.5; done"
        self._children = []
        for number, host in enumerate(_HOSTS):
            for command in (f"exec ping -q -i 0.01 -s 1000 {host} >/dev/null 2>&1", loop.format(host, 5201 + number)):
                self._children.append(subprocess.Popen(["setsid", "sh", "-c", command], stdin=subprocess.DEVNULL))

    def end(self) -> None:
        """Ends it."""
        for child in self._children:
            subprocess.run(["kill", "--", f"-{child.pid}"], check=False)
            child.wait()


def outcome(result: dict) -> str:
    """Returns what came of a request: done, error or unreadable."""
    return next((kind for kind in ("error", "unreadable") if kind in result), "done")


def unseen(outcomes: dict) -> list:
    """Returns, as lines, that most operations showed nothing. `outcomes` has operation -> Counter of outcomes."""
    total = sum(outcomes.values(), Counter())
    print(f"# requests: {', '.join(f'{kind} {total[kind]}' for kind in ('done', 'error', 'unreadable'))}", flush=True)
    blind = sorted(op for op, counts in outcomes.items() if not counts["done"] + counts["error"])
    if blind:
        print(f"# never readable: {' '.join(blind)}", flush=True)
    return [f"{len(blind)} of {len(outcomes)} operations were never readable"] if 2 * len(blind) > len(outcomes) else []


def unreadable_state(states: list) -> list:
    """Returns, as lines, which questions about the state of the interfaces have no readable answer."""
    return [f"state {op}: {result['unreadable']}" for state in states for op, result in state.items()
            if outcome(result) == "unreadable"]


def compare(seed: int, count: int, nics: list, requests: Requests, allowed: Allowed) -> list:
    """Sends requests to both interfaces, and returns the differences, as lines."""
    found, results, outcomes = [], {}, {}
    before = {}
    for number in range(count):
        family, op, values = requests.next()
        shown = f"seed {seed} request {number}: {op} {json.dumps(values, default=_packed)}"
        Path("/dev/kmsg").write_text(f"fuzz: {shown}"[:900] + "\n")
        c, rust = (nic.ask(family, op, values) for nic in nics)
        results.setdefault(op, set()).add(c.get("error", outcome(c)))
        outcomes.setdefault(op, Counter()).update(outcome(result) for result in (c, rust))
        text = f"C {json.dumps(c)} Rust {json.dumps(rust)}"
        if c != rust and not allowed.has(op, text):
            found.append(f"{shown}: {text}")
        if number % _EVERY == _EVERY - 1:
            states = [nic.state() for nic in nics]
            found += [f"seed {seed} after request {number}: {line}" for line in unreadable_state(states)]
            for what, (one, other) in _different(*states).items():
                text = f"C {json.dumps(one)} Rust {json.dumps(other)}"
                if before.get(what) != text and not allowed.has(f"state {what}", text):
                    found.append(f"seed {seed} after request {number}: {what} {text}")
                before[what] = text
    for op, what in sorted(results.items()):
        print(f"# {op}: {' '.join(sorted(what))}", flush=True)
    return found + unseen(outcomes)


def _different(one: dict, other: dict) -> dict:
    """Returns what -> both values, of what differs, down to single attributes."""
    found = {}
    for key in dict.fromkeys([*one, *other]):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found |= {f"{key}.{sub}": pair for sub, pair in _different(a, b).items()}
        elif a != b:
            found[key] = (a, b)
    return found


def _make_alike(nics: list) -> None:
    """Gives both interfaces the settings that they begin with."""
    for nic, address in zip(nics, ("192.0.2.2", "198.51.100.2")):
        for command in (f"ip link set {nic.name} xdpdrv off", f"ip link set {nic.name} xdpgeneric off",
                        f"ip link set {nic.name} down", f"ip link set {nic.name} gso_max_size 65536 gso_max_segs 65535",
                        f"ip link set {nic.name} mode default mtu 1500 address {_ADDRESS} promisc off allmulticast off",
                        f"ip link set {nic.name} arp on multicast on up",
                        f"ip addr replace {address}/24 dev {nic.name}"):
            subprocess.run(command.split(), check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _reaches(nics: list) -> list:
    """Returns which interface reaches no host, as lines."""
    return [f"{nic.name} does not reach {host}" for nic, host in zip(nics, _HOSTS)
            if subprocess.run(["ping", "-q", "-c", "5", "-w", "60", host], check=False,
                              stdout=subprocess.DEVNULL).returncode]


def main() -> int:
    """Does what the command line asks for."""
    c, rust, allowed, seeds, count = sys.argv[1:]
    specs = Path(pyynl.__file__).parent.parent / "specs"
    families = {}
    for name, spec in _SPECS.items():
        try:
            families[name] = YnlFamily(str(specs / spec), schema="", process_unknown=True)
        except YnlException as error:
            print(f"# without {spec}: {error}")
    nics = [Nic(name, families) for name in (c, rust)]
    features = sorted(bit["name"] for bit in
                      families["ethtool"].do("features-get", {"header": {"dev-name": c}})["hw"]["bits"]["bit"])
    programs = [xdp.load_program(xdp.code_of(verdict, 0), frags) for verdict in (xdp.PASS, xdp.DROP)
                for frags in (False, True)]
    seeds = seeds.split()
    print(f"TAP version 13\n1..{len(seeds)}", flush=True)
    failed = 0
    for number, seed in enumerate(map(int, seeds), 1):
        _make_alike(nics)
        traffic = Traffic()
        found = compare(seed, int(count), nics, Requests(seed, families, features, programs), Allowed(allowed))
        traffic.end()
        _make_alike(nics)
        found += _reaches(nics)
        for line in found[:_SHOWN]:
            print(f"# {line}", flush=True)
        failed += bool(found)
        print(f"{'not ' if found else ''}ok {number} - requests of seed {seed} get what they get of the C driver",
              flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
