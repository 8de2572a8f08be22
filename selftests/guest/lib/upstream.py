#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Runs the kernel's own tests of network drivers on a NIC, with the C driver and with the Rust driver.

usage: upstream.py NEAR FAR UNSTABLE TEST...

NEAR and FAR are virtio devices that are wired to each other. NEAR changes drivers; FAR has the C driver, and is in a
network namespace of its own, but for tests that want both. UNSTABLE is a file with the cases whose result changes
from run to run, one in a line: test, case (a glob), reason.

Prints TAP, with a test for each TEST: no case may be worse with the Rust driver than with the C driver. A case that is
worse is run again with both drivers, as most limits of these tests are in seconds. The host gets the result of
each case (`host run record`), for docs/upstream-tests.md.
"""

import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

_SUITES = Path("/usr/libexec/kselftests")
_TESTS = _SUITES / "drivers" / "net"
_NAMESPACE = "remote"
#: The prefixes are those of documentation; the last one is for namespaces behind the near NIC.
_NETWORK = {"LOCAL_V4": "203.0.113.1", "LOCAL_V6": "2001:db8:77::1", "REMOTE_V4": "203.0.113.2",
            "REMOTE_V6": "2001:db8:77::2", "LOCAL_PREFIX_V6": "2001:db8:78::/64"}
#: Driver, as in the table -> its name in sysfs.
_DRIVERS = {"c": "virtio_net", "rust": "rust_virtio_net"}

#: Those of bpf/xdp_features.
_FEATURES = ["XDP_PASS", "XDP_DROP", "XDP_ABORTED", "XDP_TX", "XDP_REDIRECT", "XDP_NDO_XMIT"]

#: Seconds until a test is ended that has hung.
_LIMIT = 1500
#: How often a case is tried that was worse with the Rust driver.
_TRIES = 3
#: Characters of a reason that are kept.
_REASON = 300

#: From better to worse. "xfail" is a failure that the test knows to be none of the driver.
_ORDER = ["pass", "xfail", "skip", "fail"]

_KTAP = re.compile(r"(not )?ok \d+ (?:# (SKIP|XFAIL) )?(?:(?:PASS|FAIL|SKIP): )?(.*?)(?: # (\S+)\s*(.*))?$")
_SHELL = re.compile(r"TEST: (.*?)\s*\[\s*(OK|FAIL|SKIP|XFAIL)\s*\]")
_EXPLAINS = re.compile(r"# Check failed|# Exception\| +(STDERR|STDOUT|CMD)"
                       r"|# Exception\| [\w.]*(Error|Ex|Failure|Exception)\b"
                       r"|# (?!Exception|Check\||Interface|Totals|timeout)\s*\S|SKIP|\s+\S")


def run(*argv, check=True, **options) -> subprocess.CompletedProcess:
    """Runs a command to its end."""
    return subprocess.run([str(arg) for arg in argv], check=check, text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)


def there(*argv, **options) -> subprocess.CompletedProcess:
    """Runs a command at the far end."""
    return run("ip", "netns", "exec", _NAMESPACE, *argv, **options)


def host(request: str) -> None:
    """Asks the host for something. Raises `OSError` if the host refuses."""
    lock = Path("/run/harness/host.lock")
    while True:
        try:
            lock.mkdir()
            break
        except FileExistsError:
            time.sleep(0.1)
    try:
        descriptor = int(os.environ["HARNESS_HOST_FD"])
        os.write(descriptor, f"host {request}\n".encode())
        answer = b""
        while not answer.endswith(b"\n"):
            answer += os.read(descriptor, 1)
    finally:
        lock.rmdir()
    if not answer.startswith(b"0"):
        raise OSError(answer.decode(errors="replace").strip())


class Device:
    """A virtio network device."""

    def __init__(self, name: str):
        self._name = name
        self._path = Path("/sys/bus/virtio/devices", name)

    def give_to(self, driver: str) -> None:
        """Binds the device to a driver, anew if it has that driver."""
        if (self._path / "driver").exists():
            (self._path / "driver" / "unbind").write_text(self._name)
        Path("/sys/bus/virtio/drivers", driver, "bind").write_text(self._name)

    def interface(self) -> str:
        """Returns the name of the interface in this namespace, "" if it is in another one."""
        return next((path.name for path in (self._path / "net").glob("*")), "")


class Pair:
    """The two NICs."""

    def __init__(self, near: Device, far: Device):
        self.near, self.far = near, far
        self._far_name = ""

    def apart(self, driver: str) -> dict:
        """Binds the near NIC to a driver, and puts the far NIC into its namespace. Returns the environment of tests."""
        self.near.give_to(driver)
        near = self.near.interface()
        if not self._far_name:
            self.far.give_to(_DRIVERS["c"])
            self._far_name = self.far.interface()
            run("ip", "netns", "add", _NAMESPACE)
            run("ip", "link", "set", self._far_name, "netns", _NAMESPACE)
            there("ip", "link", "set", "lo", "up")
        run("sysctl", "-qw", f"net.ipv6.conf.{near}.accept_dad=0")
        for command, name, end in ((run, near, "LOCAL"), (there, self._far_name, "REMOTE")):
            command("ip", "link", "set", name, "mtu", 1500, "up")
            command("ip", "addr", "replace", f"{_NETWORK[f'{end}_V4']}/24", "dev", name)
            command("ip", "-6", "addr", "replace", f"{_NETWORK[f'{end}_V6']}/64", "dev", name, "nodad")
        there("ip", "-6", "route", "replace", _NETWORK["LOCAL_PREFIX_V6"], "via", _NETWORK["LOCAL_V6"])
        there("ip", "neigh", "flush", "all")
        self._wait()
        return {"NETIF": near, **_NETWORK, "REMOTE_TYPE": "netns", "REMOTE_ARGS": _NAMESPACE}

    def together(self, driver: str) -> list:
        """Binds both NICs to a driver, in this namespace, and returns the names of their interfaces."""
        if self._far_name:
            there("ip", "link", "set", self._far_name, "netns", 1)
            run("ip", "netns", "del", _NAMESPACE)
            self._far_name = ""
            while not self.far.interface():
                time.sleep(0.1)
        for device in (self.near, self.far):
            device.give_to(driver)
        return [device.interface() for device in (self.near, self.far)]

    def far_name(self) -> str:
        """Returns the name of the far NIC's interface while it is in its namespace."""
        return self._far_name

    def _wait(self) -> None:
        for _ in range(60):
            if all(not run("ping", "-c1", "-W1", to, check=False).returncode
                   for to in (_NETWORK["REMOTE_V4"], _NETWORK["REMOTE_V6"])):
                return
        raise OSError(f"{self.near.interface()} does not reach the far end:\n"
                      + run("ip", "addr", check=False).stdout + there("ip", "addr", check=False).stdout)


def cases_of(lines: list, status: int) -> dict:
    """Returns case -> (result, reason) of what a test prints."""
    found, why = {}, []
    for line in lines:
        ktap, shell = _KTAP.match(line), _SHELL.match(line)
        if ktap:
            name = ktap[3].split(".", 1)[-1].strip()
            kind = (ktap[2] or ktap[4] or "").lower()
            result = "fail" if ktap[1] else kind if kind in ("skip", "xfail") else "pass"
            found[name] = (result, _reason(result, ktap[5], why))
            why = []
        elif shell:
            result = {"OK": "pass"}.get(shell[2], shell[2].lower())
            found[shell[1].strip()] = (result, _reason(result, "", why))
            why = []
        elif _EXPLAINS.match(line):
            why.append(re.sub(r"^# (Exception\| *)?", "", line).strip())
    if status in (-signal.SIGTERM, -signal.SIGKILL, 124, 137):
        found["(whole)"] = ("fail", f"ended after {_LIMIT} s")
    elif not found:
        result = {0: "pass", 4: "skip", 2: "xfail"}.get(status, "fail")
        found["(whole)"] = (result, _reason(result, "", why))
    return found


def _reason(result: str, told: str, why: list) -> str:
    if result == "pass":
        return ""
    text = told or ("; ".join(why[-6:]) if result == "fail" else "; ".join(why[-1:]))
    return re.sub(r"[^\x20-\x7e]", "?", text)[:_REASON]


def path_of(name: str) -> Path:
    """Returns the program of a test."""
    return (_SUITES if name.startswith("bpf/") else _TESTS) / name


class Test:
    """One test, as a program with its cases."""

    def __init__(self, pair: Pair, name: str, unstable: list):
        self._pair, self.name = pair, name
        self._unstable = [(case, reason) for test, case, reason in unstable if test == name]

    def with_driver(self, driver: str, only: list) -> dict:
        """Runs the test, or only some of its cases, and returns case -> (result, reason)."""
        program = path_of(self.name)
        print(f"# == {self.name} with the driver {_DRIVERS[driver]}", flush=True)
        environment, argv = {}, [f"./{program.name}"]
        if self.name == "bpf/xdp_features":
            return self._features(program, driver)
        if self.name == "bpf/xskxceiver":
            # In both ways of this program's own script: with interrupts, and by busy polling.
            found = {}
            for more in ([], ["-b"]):
                near, far = self._up(driver)
                found |= cases_of(*_follow([*argv, "-i", near, "-i", far, *more], program.parent, {}))
            return found
        if self.name.startswith("virtio_net/"):
            argv += self._pair.together(_DRIVERS[driver])
            self._rename(program.parent, driver)
        elif self.name.endswith(".sh") and "std_stats" not in self.name:
            argv += self._up(driver)
            environment = {"NETIF_CREATE": "no"}
        else:
            environment = self._pair.apart(_DRIVERS[driver])
            if self.name.endswith(".py"):
                argv = ["python3", *argv, *(word for case in only for word in ("-t", case))]
        lines, status = _follow(argv, program.parent, environment)
        return cases_of(lines, status)

    def _up(self, driver: str) -> list:
        """Binds both NICs to a driver, and returns the names of their interfaces, which are up."""
        names = self._pair.together(_DRIVERS[driver])
        for name in names:
            Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
            run("ip", "link", "set", name, "promisc", "on", "up")
        time.sleep(3)
        return names

    def _features(self, program: Path, driver: str) -> dict:
        """Runs xdp_features for each feature: at the near end for the device, and at the far end for its tester."""
        found = {}
        for feature in _FEATURES:
            environment = self._pair.apart(_DRIVERS[driver])
            near, far = environment["LOCAL_V6"], environment["REMOTE_V6"]
            device = subprocess.Popen([program, "-f", feature, "-D", near, "-T", far, environment["NETIF"]],
                                      stdin=subprocess.DEVNULL)
            time.sleep(5)
            lines, status = _follow(["ip", "netns", "exec", _NAMESPACE, program, "-t", "-f", feature, "-D", near,
                                     "-C", near, "-T", far, self._pair.far_name()], program.parent, {})
            device.kill()
            device.wait()
            found[feature] = cases_of(lines, status)["(whole)"]
        return found

    @staticmethod
    def _rename(place: Path, driver: str) -> None:
        """Has a test that names the C driver be about another one."""
        other = next(name for key, name in _DRIVERS.items() if key != driver)
        for script in place.glob("*.sh"):
            script.write_text(re.sub(rf"(?<![\w]){other}(?=[\"/])", _DRIVERS[driver], script.read_text()))

    def why_unstable(self, case: str) -> str:
        """Returns why the result of a case says nothing, "" if it does."""
        return next((reason for pattern, reason in self._unstable if fnmatch.fnmatch(case, pattern)), "")

    def compare(self) -> str:
        """Runs the test with both drivers, tells the host, and returns what is worse with the Rust driver."""
        found = {driver: self.with_driver(driver, []) for driver in _DRIVERS}
        for _ in range(_TRIES - 1):
            worse = self._worse(found)
            if not worse:
                break
            print(f"# == again, as they were worse: {' '.join(worse)}", flush=True)
            for driver, before in found.items():
                for case, now in self.with_driver(driver, worse).items():
                    if case in before and _ORDER.index(now[0]) < _ORDER.index(before[case][0]):
                        before[case] = now
        c, rust = found["c"], found["rust"]
        worse = self._worse(found)
        for case in [*c, *(case for case in rust if case not in c)]:
            one, other = c.get(case, ("none", "")), rust.get(case, ("none", ""))
            host("run record " + json.dumps({
                "test": self.name, "case": case, "c": one[0], "rust": other[0], "why_c": one[1], "why_rust": other[1],
                "unstable": self.why_unstable(case)}))
        return "".join(f"# {case}: {c.get(case, ('not run',))[0]} with C, "
                       f"{': '.join(rust.get(case, ('not run', '')))}\n" for case in worse)

    def _worse(self, found: dict) -> list:
        """Returns the cases that are worse with the Rust driver, but for those that are unstable."""
        c, rust = found["c"], found["rust"]
        return [case for case in dict.fromkeys([*c, *rust]) if not self.why_unstable(case)
                and _is_worse(c.get(case, ("fail",))[0], rust.get(case, ("fail",))[0])]


def _is_worse(c: str, rust: str) -> bool:
    """Returns whether a result with the Rust driver is worse: no pass where C passes, or a failure where C has none."""
    return rust != c and (c == "pass" or rust == "fail")


def _follow(argv: list, place: Path, environment: dict) -> tuple:
    """Runs a test, prints its lines as they come, and returns them and its status."""
    log = Path("/dev/kmsg")
    log.write_text(f"upstream: {' '.join(argv)} {environment.get('NETIF', '')}\n")
    child = subprocess.Popen(["timeout", "-k", "20", str(_LIMIT), *argv], cwd=place, text=True, errors="replace",
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             start_new_session=True, env={**os.environ, **environment, "KSFT_MACHINE_SLOW": "yes",
                                                          "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1",
                                                          "LC_ALL": "C.UTF-8"})
    lines = []
    for line in child.stdout:
        lines.append(line.rstrip("\n"))
        print(f"# | {lines[-1]}", flush=True)
    status = child.wait()
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    print(f"# == status {status}", flush=True)
    return lines, status


def main() -> int:
    """Runs what the command line names."""
    near, far, unstable, *names = sys.argv[1:]
    pair = Pair(Device(near), Device(far))
    lines = (line.partition("#")[0].split(None, 2) for line in Path(unstable).read_text().splitlines())
    known = [(test, case, reason.strip()) for test, case, reason in filter(None, lines)]
    print(f"TAP version 13\n1..{len(names)}", flush=True)
    failed = 0
    for number, name in enumerate(names, 1):
        title = f"{number} - {name} is with the Rust driver as with the C driver or better"
        if not path_of(name).exists():
            print(f"ok {title} # SKIP this kernel has no such test", flush=True)
            continue
        try:
            worse = Test(pair, name, known).compare()
        except (OSError, subprocess.SubprocessError) as error:
            worse = "".join(f"# {line}\n" for line in f"{error}\n{getattr(error, 'output', '')}".splitlines())
        failed += bool(worse)
        print(f"{worse}{'not ' if worse else ''}ok {title}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    shutil.rmtree("/run/harness/host.lock", ignore_errors=True)
    sys.exit(main())
