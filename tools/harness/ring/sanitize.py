# SPDX-License-Identifier: GPL-2.0
"""The tests of the ring core under sanitizers and under Miri, where those are there, and on other
kinds of processors, where they are asked for: a standard library has to be built for these."""

import dataclasses
import os
import re
import shutil
from pathlib import Path

from ..paths import cache
from ..proc import output
from ..proc import run as run_logged
from ..report.results import Results
from ..report.tap import Test
from ..say import Failure
from .cargo import COMMON, CRATE, cargo_test, parse

#: What is run under the address sanitizer: all but what is in other processes or has stacks of its own.
_SANITIZED = ["--lib", "--test=corpus", "--test=hostile", "--test=read_once", "--test=rings",
              "--test=rust_vmm", "--test=tables"]
#: What is run under the thread sanitizer: driver and device at once.
_RACING = ["--test=threads"]
#: Where the thread sanitizer sees no order: in the channel of the test runner, as the standard library is
#: not built for it.
_NO_RACE = "race:test::event::CompletedTest\n"
#: What is run under Miri, which is a hundred times slower.
_INTERPRETED = ["--lib", "--test=read_once", "--test=rings"]
#: What is run for another kind of processor: all that needs neither a second process nor long.
_FOREIGN = ["--lib", "--test=corpus", "--test=hostile", "--test=read_once", "--test=platform",
            "--test=rings", "--test=tables"]


@dataclasses.dataclass
class Tools:
    """Cargo, and the compiler that goes with it."""

    cargo: str
    rustc: str
    #: Triple of this machine.
    host: str
    #: The sanitizers that the compiler has the run-time library of: "asan", "tsan".
    sanitizers: tuple

    @classmethod
    def find(cls, cargo: str) -> "Tools":
        """Finds out what the compiler beside `cargo` can do."""
        rustc = os.environ.get("RUSTC") or str(Path(cargo).with_name("rustc"))
        host = re.search(r"^host: (\S+)", output([rustc, "-vV"]), re.M)
        libraries = output([rustc, "--print", "target-libdir"]).strip()
        return cls(cargo, rustc, host[1] if host else "", tuple(
            name for name in ("asan", "tsan")
            if libraries and any(Path(libraries).glob(f"librustc*_rt.{name}.a"))))

    @property
    def asan(self) -> bool:
        """Whether the compiler has the address sanitizer."""
        return "asan" in self.sanitizers

    def env(self, directory: str, flags: str = "") -> dict:
        """Returns the environment for a build of its own with options that need not be stable."""
        return {"CARGO_TARGET_DIR": str(cache() / directory), "RUSTC": self.rustc,
                "RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": flags}


@dataclasses.dataclass
class Machine:
    """Another kind of processor, emulated by QEMU's user mode."""

    triple: str
    what: str
    #: What the names of its compiler and of its libraries start with.
    prefix: str
    #: Name of the emulator.
    emulator: str

    def name(self) -> str:
        """Returns the short name."""
        return self.triple.partition("-")[0]

    def runner(self) -> str:
        """Returns the command that runs its programs, "" if it is not there."""
        for name in (f"{self.emulator}-static", self.emulator):
            if shutil.which(name):
                return f"{name} -L /usr/{self.prefix}"
        return ""


_MACHINES = [
    Machine("i686-unknown-linux-gnu", "32 bits", "i686-linux-gnu", "qemu-i386"),
    Machine("s390x-unknown-linux-gnu", "big-endian", "s390x-linux-gnu", "qemu-s390x"),
]


def run(results: Results, tools: Tools, log: Path) -> None:
    """Runs what there are compilers for; the rest is skipped, with the reason."""
    results.add(_asan(tools, log))
    results.add(_tsan(tools, log))
    results.add(_miri(tools, log))
    wanted = os.environ.get("HARNESS_MACHINES", "").split()
    for machine in _MACHINES:
        if machine.name() in wanted:
            results.add(_foreign(tools, machine, log))
        else:
            results.add(_skip(f"ring-{machine.name()}", f"only with HARNESS_MACHINES={machine.name()}"))


def _skip(name: str, reason: str) -> list:
    return [Test(name, "all", "skip", reason)]


def _asan(tools: Tools, log: Path) -> list:
    name = "ring-asan"
    if not tools.asan:
        return _skip(name, f"{tools.rustc} has no address sanitizer")
    # With --target, so that the flags are not for what runs while it is built.
    argv = [tools.cargo, "test", *COMMON, f"--target={tools.host}", *_SANITIZED]
    lines, status = cargo_test(argv, [], log, tools.env("host-asan", "-Zsanitizer=address"))
    return parse(lines, status, name)


def _tsan(tools: Tools, log: Path) -> list:
    """Sees that driver and device share nothing but by atomic accesses. Whether their order is enough,
    this sanitizer cannot tell, as it knows no fences: the models can."""
    name = "ring-tsan"
    if "tsan" not in tools.sanitizers:
        return _skip(name, f"{tools.rustc} has no thread sanitizer")
    known = log.with_name("tsan.supp")
    known.write_text(_NO_RACE)
    # Compilers that have the option want to be told that the standard library need not be built so.
    mixed = "unsafe-allow-abi-mismatch"
    flags = "-Zsanitizer=thread"
    flags += f" -C{mixed}=sanitizer" if mixed in output([tools.rustc, "-C", "help"]) else ""
    env = {**tools.env("host-tsan", flags), "TSAN_OPTIONS": f"suppressions={known}"}
    argv = [tools.cargo, "test", *COMMON, f"--target={tools.host}", *_RACING]
    lines, status = cargo_test(argv, [], log, env)
    return parse(lines, status, name)


def _miri(tools: Tools, log: Path) -> list:
    name = "ring-miri"
    if not output([tools.cargo, "miri", "--version"]):
        return _skip(name, "there is no cargo miri")
    env = {"CARGO_TARGET_DIR": str(cache() / "host-miri"), "MIRIFLAGS": "-Zmiri-disable-isolation"}
    lines, status = cargo_test([tools.cargo, "miri", "test", *COMMON, *_INTERPRETED], [], log, env)
    return parse(lines, status, name)


def _foreign(tools: Tools, machine: Machine, log: Path) -> list:
    name = f"ring-{machine.name()}"
    linker, runner = f"{machine.prefix}-gcc", machine.runner()
    for program, there in ((linker, shutil.which(linker)), (machine.emulator, runner)):
        if not there:
            return _skip(name, f"{program} is not installed")
    tools, std = _standard_library(tools, machine)
    if not tools:
        return _skip(name, f"no standard library for {machine.what}, and no sources of it")
    key = f"CARGO_TARGET_{machine.triple.upper().replace('-', '_')}"
    env = {**tools.env("host-foreign"), f"{key}_LINKER": linker, f"{key}_RUNNER": runner}
    options = [*std, f"--target={machine.triple}"]
    try:
        run_logged([tools.cargo, "fetch", "--locked", *options], log,
                   "Fetching crates of the standard library", cwd=CRATE, env=env)
    except Failure:
        return _skip(name, f"crates of the standard library cannot be fetched (log: {log})")
    lines, status = cargo_test([tools.cargo, "test", *COMMON, *options, *_FOREIGN], [], log, env)
    return parse(lines, status, name)


def _standard_library(tools: Tools, machine: Machine) -> tuple:
    """Returns tools that have the standard library for a machine, or can make it, and the options
    for that; `(None, [])` if there are none."""
    others = [Tools.find(cargo) for cargo in ("/usr/bin/cargo",) if shutil.which(cargo)]
    for some in (tools, *others):
        directory = output([some.rustc, "--print", "target-libdir", f"--target={machine.triple}"])
        if any(Path(directory.strip()).glob("libstd-*")):
            return some, []
        root = output([some.rustc, "--print", "sysroot"]).strip()
        if (Path(root) / "lib/rustlib/src/rust/library/std/Cargo.toml").exists():
            return some, ["-Zbuild-std"]
    return None, []
