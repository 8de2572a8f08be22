# SPDX-License-Identifier: GPL-2.0
"""The host side of a guest's network: a network namespace of its own.

The namespace belongs to one process, the holder. It and every process in it end with the harness,
and the kernel takes the namespace and the TAP devices away with them: nothing is left to clean up,
and the host's own network is never touched. Without root it is made in a user namespace.
"""

import os
import subprocess
import time
from pathlib import Path

from ..host import needs
from ..proc import kill_session, start
from ..say import Failure

#: Seconds that a machine gets to make a namespace.
_PATIENCE = 60


def subnet(nic: int) -> str:
    """Returns the first three bytes of the addresses of NIC number `nic`, as text.

    These are the blocks set aside for documentation, then the one for benchmarks.
    """
    known = ["192.0.2", "198.51.100", "203.0.113"]
    return known[nic] if nic < len(known) else f"198.18.{nic}"


class Namespace:
    """A network namespace with TAP devices and servers in it."""

    def __init__(self, rundir: Path):
        self.rundir = rundir
        self._children = []
        needs.check_tun()
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        self._user = bool(user)
        self._holder = start(["unshare", *user, "--net", "sleep", "infinity"], rundir / "network.log")
        self._wait()
        self.run(["ip", "link", "set", "lo", "up"])

    def _wait(self) -> None:
        """Waits until the holder is in its namespace. Raises `Failure` if it does not come to that: a command would
        run in the host's network."""
        name = Path(f"/proc/{self._holder.pid}/comm")
        end = time.monotonic() + _PATIENCE
        while self._holder.poll() is None and time.monotonic() < end:
            # The program is executed when all of the namespaces are made.
            if name.read_text() == "sleep\n":
                return
            time.sleep(0.02)
        kill_session(self._holder)
        raise Failure("cannot make a network namespace: needs root, or user namespaces "
                      f"for ordinary users\nLog: {self.rundir / 'network.log'}")

    def inside(self, argv) -> list:
        """Returns `argv` made to run in the namespace."""
        user = ["-U", "--preserve-credentials"] if self._user else []
        return ["nsenter", "-t", str(self._holder.pid), *user, "-n", *[str(a) for a in argv]]

    def run(self, argv, timeout: float = 300, check: bool = True, cwd=None):
        """Runs a command in the namespace and returns it when done."""
        done = subprocess.run(self.inside(argv), stdin=subprocess.DEVNULL, text=True, cwd=cwd,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                              check=False, errors="replace")
        if check and done.returncode:
            raise Failure(f"in the guest's network: {' '.join(map(str, argv))}: {done.stdout.strip()}")
        return done

    def start(self, argv, cwd=None, log: str = "network.log"):
        """Starts a command that runs until the namespace goes."""
        self._children.append(start(self.inside(argv), self.rundir / log, cwd=cwd))
        return self._children[-1]

    def add_tap(self, nic: int, queues: int, dhcp: bool, mtu: int = 0) -> str:
        """Makes the TAP device of a NIC, with addresses, and returns its name."""
        name, net = f"tap{nic}", subnet(nic)
        multi = ["multi_queue"] if queues > 1 else []
        self.run(["ip", "tuntap", "add", "dev", name, "mode", "tap", "vnet_hdr", *multi])
        if mtu:
            self.run(["ip", "link", "set", name, "mtu", mtu])
        # No delay before the IPv6 address may be used.
        self.run(["ip", "addr", "add", f"{net}.1/24", "dev", name])
        self.run(["ip", "addr", "add", f"fd00:{nic}::1/64", "dev", name, "nodad"])
        self.run(["ip", "link", "set", name, "up"])
        if dhcp:
            self.start(["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0",
                        f"--interface={name}", "--except-interface=lo", "--bind-dynamic",
                        "--user=root", "--group=root", "--dhcp-authoritative", "--no-ping",
                        f"--pid-file={self.rundir / f'dnsmasq{nic}.pid'}", "--log-facility=-",
                        f"--dhcp-leasefile={self.rundir / f'dnsmasq{nic}.leases'}",
                        f"--dhcp-range={net}.50,{net}.99,255.255.255.0,1h"])
        return name

    def close(self) -> None:
        """Ends everything in the namespace, and the namespace."""
        for child in [*self._children, self._holder]:
            kill_session(child)
