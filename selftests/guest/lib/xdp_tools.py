#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the programs of xdp-tools on NICs with the C driver and with the Rust driver.

usage: xdp_tools.py NEAR0 FAR0 NEAR1 FAR1 [CASE...]

All four are virtio devices; NEAR0 is wired to FAR0, NEAR1 to FAR1. The near ones change drivers. The far ones have the
C driver, each in a network namespace of its own. Prints TAP, with a test for each case: what works with the C driver
works with the Rust driver. The host gets the results (`host run record`), for docs/upstream-tests.md.
"""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from upstream import _DRIVERS, Device, host, run

_PACKETS = 2000
#: A queue may be full for a moment: so many of those packets are enough.
_ENOUGH = 1800
_PORT = 4711
_PROGRAMS = Path("/usr/lib/x86_64-linux-gnu/bpf")
_DUMMY = "/usr/libexec/kselftests/net/lib/xdp_dummy.bpf.o"

_SENDER = f"""
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range({_PACKETS}):
    s.sendto(b"x" * 100, (sys.argv[1], {_PORT}))
    if i % 32 == 31:
        time.sleep(0.01)
"""


class Wrong(Exception):
    """What a case found."""


class End:
    """A near NIC, and the far NIC that it is wired to."""

    def __init__(self, index: int, near: Device, far: Device):
        self.near, self.far = near, far
        self.namespace = f"far{index}"
        self.address, self.far_address = f"198.18.{index}.1", f"198.18.{index}.2"
        self.name = self.far_name = ""
        self._other = f"198.18.{1 - index}.0/24"

    def set_up(self, driver: str) -> None:
        """Binds the near NIC to a driver, and gives both their addresses. No end has to ask for the other's."""
        self.near.give_to(driver)
        self.name = self.near.interface()
        if not self.far_name:
            self.far.give_to(_DRIVERS["c"])
            self.far_name = self.far.interface()
            run("ip", "netns", "add", self.namespace)
            run("ip", "link", "set", self.far_name, "netns", self.namespace)
            self.there("ip", "link", "set", "lo", "up")
            self.there("ip", "link", "set", self.far_name, "promisc", "on", "up")
            self.there("ip", "addr", "add", f"{self.far_address}/24", "dev", self.far_name)
            self.there("ip", "route", "add", self._other, "via", self.address)
        run("ip", "link", "set", self.name, "up")
        run("ip", "addr", "replace", f"{self.address}/24", "dev", self.name)
        for command, to, mac, name in ((self.there, self.address, self.mac(), self.far_name),
                                       (run, self.far_address, self.far_mac(), self.name)):
            command("ip", "neigh", "replace", to, "lladdr", mac, "nud", "permanent", "dev", name)
        self.wait()

    def there(self, *argv, **options) -> subprocess.CompletedProcess:
        """Runs a command at the far end."""
        return run("ip", "netns", "exec", self.namespace, *argv, **options)

    def mac(self) -> str:
        """Returns the near NIC's address."""
        return Path("/sys/class/net", self.name, "address").read_text().strip()

    def far_mac(self) -> str:
        """Returns the far NIC's address."""
        return json.loads(self.there("ip", "-j", "link", "show", self.far_name).stdout)[0]["address"]

    def answers(self) -> bool:
        """Returns whether the near end answers the far end."""
        return not self.there("ping", "-c1", "-W2", self.address, check=False).returncode

    def wait(self) -> None:
        """Waits until the near end answers. Raises `Wrong` if it does not."""
        for _ in range(60):
            if self.answers():
                return
        raise Wrong(f"{self.address} does not answer")

    def send(self, to: str = "") -> None:
        """Has the far end send packets."""
        self.there("python3", "-c", _SENDER, to or self.address)

    def received(self) -> int:
        """Returns how many packets have arrived at the far end."""
        shown = json.loads(self.there("ip", "-j", "-s", "link", "show", self.far_name).stdout)
        return shown[0]["stats64"]["rx"]["packets"]


def _no_port() -> int:
    """Returns how many UDP packets have arrived for which there is no socket."""
    lines = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Udp:")]
    return int(dict(zip(*lines))["NoPorts"])


def _forwarded() -> int:
    """Returns how many packets the stack has forwarded."""
    lines = [line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Ip:")]
    return int(dict(zip(*lines))["ForwDatagrams"])


def _need(number: int, what: str) -> None:
    if number < _ENOUGH:
        raise Wrong(f"{number} of {_PACKETS} packets were {what}")


class Running:
    """A program that runs until it is interrupted."""

    def __init__(self, *argv):
        self._child = subprocess.Popen([str(arg) for arg in argv], text=True, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def wait_loaded(self, name: str) -> None:
        """Waits until an interface has a program. Raises `Wrong` if none comes."""
        for _ in range(600):
            if "xdp" in json.loads(run("ip", "-j", "link", "show", name).stdout)[0]:
                time.sleep(1)
                return
            if self._child.poll() is not None:
                break
            time.sleep(0.1)
        raise Wrong(f"no program was loaded: {self.end()[-300:]}")

    def end(self) -> str:
        """Interrupts the program, and returns what it printed."""
        if self._child.poll() is None:
            self._child.send_signal(signal.SIGINT)
        try:
            printed = self._child.communicate(timeout=60)[0]
        except subprocess.TimeoutExpired:
            self._child.kill()
            printed = self._child.communicate()[0] + "(killed)"
        for line in printed.splitlines()[-12:]:
            print(f"# | {line}", flush=True)
        return printed


def _total(printed: str) -> int:
    """Returns how many packets a program says that it has seen."""
    found = re.search(r"Packets received\s*:\s*([\d,]+)", printed)
    return int(found[1].replace(",", "")) if found else 0


class Tools:
    """The cases: methods that raise `Wrong`, and return a figure for the table."""

    def __init__(self, one: End, other: End):
        self._one, self._other = one, other

    def _bench(self, *arguments, then=None) -> str:
        """Runs xdp-bench while the far end sends, and returns how many packets it has seen. `then` gives what counts
        packets at their end."""
        before = then() if then else 0
        program = Running("xdp-bench", *arguments)
        try:
            program.wait_loaded(self._one.name)
            before = then() if then else 0
            self._one.send()
            time.sleep(3)
        finally:
            printed = program.end()
        _need(_total(printed), "seen")
        if then:
            _need(then() - before, "found where they go")
        return f"{min(_total(printed), _PACKETS)}"

    def bench(self) -> dict:
        """Returns name -> case of xdp-bench."""
        one, other = self._one, self._other
        cases = {f"drop -p {how}": (lambda how=how: self._bench("drop", "-p", how, one.name))
                 for how in ("no-touch", "read-data", "parse-ip", "swap-macs")}
        cases |= {
            "drop -l load-bytes": lambda: self._bench("drop", "-l", "load-bytes", "-p", "parse-ip", one.name),
            "drop -r": lambda: self._bench("drop", "-r", one.name),
            "drop -m skb": lambda: self._bench("drop", "-m", "skb", one.name),
            "pass": lambda: self._bench("pass", one.name, then=_no_port),
            "tx": lambda: self._bench("tx", "-p", "swap-macs", one.name, then=one.received),
            "redirect": lambda: self._bench("redirect", one.name, other.name, then=other.received),
            "redirect -l load-bytes": lambda: self._bench("redirect", "-l", "load-bytes", one.name, other.name,
                                                          then=other.received),
            "redirect to itself": lambda: self._bench("redirect", one.name, one.name, then=one.received),
            "redirect-map": lambda: self._bench("redirect-map", one.name, other.name, then=other.received),
            "redirect-map -X": lambda: self._bench("redirect-map", "-X", one.name, other.name, then=other.received),
            "redirect-multi": lambda: self._bench("redirect-multi", one.name, other.name, then=other.received),
            "redirect-cpu": lambda: self._bench("redirect-cpu", "-c", "0", "-c", "1", "-p", "round-robin", one.name,
                                                then=_no_port),
            "redirect-cpu -r drop": lambda: self._bench("redirect-cpu", "-c", "1", "-r", "drop", one.name),
            "redirect-cpu -r redirect": lambda: self._bench("redirect-cpu", "-c", "0", "-c", "1", "-r", "redirect",
                                                            "-D", other.name, one.name, then=other.received),
        }
        return {f"xdp-bench {name}": case for name, case in cases.items()}

    def filter(self, *mode) -> str:
        """xdp-filter: no packet of a port, an address, a MAC address gets through, and all others do."""
        one = self._one

        def rule(add: list, port_open: bool, answers: bool) -> None:
            run("xdp-filter", *add)
            before = _no_port()
            one.send()
            time.sleep(1)
            passed = _no_port() - before
            if (passed >= _ENOUGH) != port_open or (0 < passed < _ENOUGH) or one.answers() != answers:
                raise Wrong(f"with {' '.join(add)}: {passed} packets passed, ping {'' if answers else 'not '}expected")

        run("xdp-filter", "load", *mode, one.name)
        rule(["port", "-m", "dst", "-p", "udp", str(_PORT)], False, True)
        rule(["port", "-r", "-m", "dst", "-p", "udp", str(_PORT)], True, True)
        rule(["ip", "-m", "src", one.far_address], False, False)
        rule(["ip", "-r", "-m", "src", one.far_address], True, True)
        rule(["ether", "-m", "src", one.far_mac()], False, False)
        rule(["ether", "-r", "-m", "src", one.far_mac()], True, True)
        run("xdp-filter", "unload", one.name)
        one.wait()
        return ""

    def loader(self, *mode) -> str:
        """xdp-loader: several programs run one after the other, and go one by one."""
        one = self._one
        run("xdp-loader", "load", *mode, one.name, _DUMMY, _DUMMY)
        self._programs(2)
        run("xdp-loader", "load", *mode, one.name, _PROGRAMS / "xdpfilt_alw_all.o")
        ids = self._programs(3)
        one.wait()
        run("xdp-loader", "unload", "-i", ids[0], one.name)
        self._programs(2)
        one.wait()
        run("xdp-loader", "unload", "-a", one.name)
        one.wait()
        return ""

    def _programs(self, wanted: int) -> list:
        """Returns the ids of the programs behind the dispatcher. Raises `Wrong` if there are not so many."""
        printed = run("xdp-loader", "status", self._one.name).stdout
        ids = re.findall(r"^ =>\s+\d+\s+\S+\s+(\d+)", printed, re.M)
        if len(ids) != wanted:
            raise Wrong(f"xdp-loader lists {len(ids)} programs: {printed}")
        return ids

    def forward(self, *mode) -> str:
        """xdp-forward: packets go from one far end to the other, and the stack sees none of them."""
        one, other = self._one, self._other
        run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        run("xdp-forward", "load", *mode, one.name, other.name)
        time.sleep(1)
        for _ in range(10):
            if not one.there("ping", "-c1", "-W2", other.far_address, check=False).returncode:
                break
        before, arrived = _forwarded(), other.received()
        one.send(other.far_address)
        time.sleep(1)
        _need(other.received() - arrived, "forwarded")
        if _forwarded() != before:
            raise Wrong(f"{_forwarded() - before} packets were forwarded by the stack")
        run("xdp-forward", "unload", one.name, other.name)
        one.wait()
        return ""

    def forward_tcp(self) -> str:
        """A connection between the far ends, which xdp-forward forwards."""
        one, other = self._one, self._other
        run("sysctl", "-qw", "net.ipv4.ip_forward=1")
        run("xdp-forward", "load", one.name, other.name)
        server = subprocess.Popen(["ip", "netns", "exec", other.namespace, "iperf3", "-s", "-1"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            time.sleep(2)
            done = one.there("timeout", "60", "iperf3", "-J", "-n", "20M", "-c", other.far_address, check=False)
        finally:
            server.kill()
        if done.returncode:
            raise Wrong(f"iperf3: {done.stdout[-300:]}")
        run("xdp-forward", "unload", one.name, other.name)
        return ""

    def trafficgen(self) -> str:
        """xdp-trafficgen: packets that a program makes arrive at the far end."""
        one = self._one
        # The C driver takes frames only while there is a program.
        run("xdp-loader", "load", one.name, _DUMMY)
        before = one.received()
        run("timeout", "60", "xdp-trafficgen", "udp", "-m", one.far_mac(), "-a", "fe80::1", "-n", _PACKETS, one.name)
        time.sleep(2)
        _need(one.received() - before, "found at the far end")
        return f"{min(one.received() - before, _PACKETS)}"

    def dump(self) -> str:
        """xdpdump: it sees packets before and after a program."""
        one = self._one
        run("xdp-loader", "load", one.name, _DUMMY)
        program = Running("xdpdump", "-i", one.name, "--rx-capture", "entry,exit", "-w", "/run/dump.pcap")
        time.sleep(5)
        one.send()
        time.sleep(2)
        printed = program.end()
        seen = re.search(r"(\d+) packets captured", printed)
        _need(int(seen[1]) if seen else 0, f"captured: {printed[-200:]}")
        return ""

    def monitor(self) -> str:
        """xdp-monitor: it counts what is redirected."""
        one, other = self._one, self._other
        program = Running("xdp-monitor", "-s", "-i", "1")
        time.sleep(3)
        try:
            self._bench("redirect", one.name, other.name, then=other.received)
        finally:
            printed = program.end()
        if not re.search(r"[1-9][\d,]* redir/s", printed):
            raise Wrong(f"xdp-monitor has seen nothing: {printed[-200:]}")
        return ""

    def every(self) -> dict:
        """Returns name -> case of all."""
        return {**self.bench(), "xdp-filter": self.filter, "xdp-filter -m skb": lambda: self.filter("-m", "skb"),
                "xdp-loader with several programs": self.loader,
                "xdp-loader -m skb with several programs": lambda: self.loader("-m", "skb"),
                "xdp-forward": self.forward, "xdp-forward -F direct": lambda: self.forward("-F", "direct"),
                "xdp-forward with TCP": self.forward_tcp, "xdp-trafficgen udp": self.trafficgen,
                "xdpdump": self.dump, "xdp-monitor": self.monitor}


def _try(ends: list, tools: Tools, driver: str, name: str) -> tuple:
    """Runs a case with a driver, and returns (result, reason, figure)."""
    print(f"# == {name} with the driver {driver}", flush=True)
    try:
        for end in ends:
            end.set_up(driver)
        return "pass", "", tools.every()[name]()
    except Wrong as wrong:
        return "fail", " ".join(str(wrong).split())[:300], ""
    except (OSError, subprocess.SubprocessError) as error:
        printed = getattr(error, "stdout", "") or ""
        return "fail", " ".join(f"{error} {printed}".split())[-300:], ""
    finally:
        for end in ends:
            run("xdp-loader", "unload", "-a", end.name, check=False)
        run("sh", "-c", "rm -rf /sys/fs/bpf/xdp-filter", check=False)


def main() -> int:
    """Runs what the command line names."""
    devices, names = [Device(name) for name in sys.argv[1:5]], sys.argv[5:]
    ends = [End(0, *devices[:2]), End(1, *devices[2:])]
    tools = Tools(*ends)
    names = [name for name in tools.every() if not names or any(part in name for part in names)]
    print(f"TAP version 13\n1..{len(names)}", flush=True)
    failed = 0
    for number, name in enumerate(names, 1):
        found = {key: _try(ends, tools, driver, name) for key, driver in _DRIVERS.items()}
        if found["c"][0] == "pass" and found["rust"][0] != "pass":
            print(f"# again: {found['rust'][1]}", flush=True)
            found["rust"] = _try(ends, tools, _DRIVERS["rust"], name)
        host("run record " + json.dumps({
            "test": name.split()[0], "case": name, "unstable": "",
            **{key: result for key, (result, _, _) in found.items()},
            **{f"why_{key}": reason for key, (_, reason, _) in found.items()},
            **{f"figure_{key}": figure for key, (_, _, figure) in found.items()}}))
        worse = found["c"][0] == "pass" != found["rust"][0]
        failed += worse
        for key, (result, reason, figure) in found.items():
            print(f"# {key}: {result} {figure} {reason}", flush=True)
        print(f"{'not ' if worse else ''}ok {number} - {name} does what it does with the C driver", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
