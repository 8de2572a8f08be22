# SPDX-License-Identifier: GPL-2.0
"""Has a guest move from one QEMU to another on this machine, for the `.host.py` of a script."""

import itertools
import subprocess
import sys
import time
from pathlib import Path

_XDP = Path(__file__).resolve().parent / "xdp.py"
#: Seconds until frames are no longer waited for.
_LIMIT = 30


class Bridge:
    """The bridge that the guest's first NIC is connected to, wherever the guest is."""

    def __init__(self, guest):
        self._namespace, self._rundir = guest.namespace, guest.rundir
        self._queues = guest.spec.net[0].queues
        self.tap = "tap0"

    def make(self, _argument: str) -> None:
        """Makes the bridge `br0`, which has the addresses of the host, and the guest's TAP device as a port."""
        for command in ("ip link add br0 type bridge mcast_snooping 0 forward_delay 0", "ip addr flush dev tap0",
                        "ip link set br0 up", "ip addr add 192.0.2.1/24 dev br0",
                        "ip -6 addr add fd00:0::1/64 dev br0 nodad"):
            self._namespace.run(command.split())
        self._add(self.tap)

    def next_port(self, name: str) -> None:
        """Makes the TAP device that the guest is to arrive at."""
        many = ["multi_queue"] if self._queues > 1 else []
        self._namespace.run(["ip", "tuntap", "add", "dev", name, "mode", "tap", "vnet_hdr", *many])
        self._namespace.run(["ip", "link", "set", name, "up"])
        self._add(name)

    def _add(self, name: str) -> None:
        self._namespace.run(["sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1"])
        self._namespace.run(["ip", "link", "set", name, "master", "br0"])

    def returned(self, count: str) -> str:
        """Sends frames that a program of the guest's returns, and returns how many of so many come back."""
        got = self._rundir / "returned.txt"
        got.unlink(missing_ok=True)
        child = self._namespace.start(["tcpdump", "-nn", "-c", count, "-i", self.tap, "-Q", "in", "-w", got,
                                       "ether src ff:ff:ff:ff:ff:ff"], log="returned.log")
        self._wait(got.exists)
        self._namespace.run([sys.executable, _XDP, "send", "br0", count])
        try:
            child.wait(_LIMIT)
        except subprocess.TimeoutExpired:
            child.terminate()
            child.wait()
        listed = self._namespace.run(["tcpdump", "-nn", "-e", "-r", got], check=False).stdout
        return str(sum("ff:ff:ff:ff:ff:ff >" in line for line in listed.splitlines()))

    @staticmethod
    def _wait(condition) -> None:
        end = time.monotonic() + _LIMIT
        while not condition() and time.monotonic() < end:
            time.sleep(0.1)


def actions(guest) -> dict:
    """Returns what a script may ask for: the `bridge`, to `move` or to start and `turn_back`, and how many frames are
    `returned`."""
    numbers, bridges = itertools.count(1), []

    def bridge(argument: str) -> None:
        bridges.append(Bridge(guest))
        bridges[0].make(argument)

    def go(cancel: bool) -> None:
        name, taps = f"tap0-{next(numbers)}", {}
        if bridges:
            bridges[0].next_port(name)
            taps = {bridges[0].tap: name}
        guest.migrate(taps, cancel)
        if bridges and not cancel:
            bridges[0].tap = name

    def returned(count: str) -> str:
        return bridges[0].returned(count) if bridges else "0"

    return {"bridge": bridge, "move": lambda _: go(False), "turn_back": lambda _: go(True), "returned": returned}
