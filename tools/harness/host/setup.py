# SPDX-License-Identifier: GPL-2.0
"""`harness.py setup`: checks the machine and installs what is missing."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from .. import lock
from ..paths import OUT, cache, log_dir
from ..proc import output, run
from ..say import Failure, say, warn
from . import debian, needs, toolchain

_BINDGEN = "0.72.1"

#: The checksum of the wheel of ruff for x86-64.
_RUFF_SUM = "309809086c2acb67624950a3c8133e80f32d0d3e27106c0cd60ff26657c9f24b"

#: The seconds that the last set-up took, for whoever sums them up.
TOOK = OUT / "setup-seconds"

#: Where dpkg keeps what it has not yet written into its status.
_DPKG_JOURNAL = Path("/var/lib/dpkg/updates")


def main(_args) -> int:
    """Installs what is missing; quick and almost silent when all is there."""
    start = time.monotonic()
    needs.check_machine()
    needs.check_tree()
    needs.check_space()
    bring(needs.needs)
    needs.check_tun()
    OUT.mkdir(exist_ok=True)
    TOOK.write_text(f"{time.monotonic() - start:.1f}\n")
    say("Machine: everything needed is there")
    return 0


def bring(wanted) -> None:
    """Installs what is missing of the things that `wanted` lists for a release of Debian. Raises `Failure` if something
    cannot be installed."""
    with lock.only_one(cache() / "setup"):
        major = debian.release()[2] if debian.is_debian() else 0
        absent = _absent(wanted(major))
        if absent and not major:
            raise Failure("this is not Debian 12 or 13, so nothing is installed for you; missing here:\n"
                          + _rows(absent, hints=True))
        if absent:
            _install(absent, major)
            absent = _absent(wanted(major))
            if absent:
                raise Failure("after the installation these are still missing:\n" + _rows(absent) + f"\nLog: {_log()}")


def offer(wanted) -> None:
    """As `bring`, for what its user can do without: what cannot be installed is said in a warning."""
    try:
        bring(wanted)
    except Failure as failure:
        warn(str(failure))


def _log():
    return log_dir() / "setup.log"


def _absent(wanted: list) -> list:
    """Returns `(need, what is wrong)` for everything that is not there."""
    return [(need, wrong) for need in wanted for wrong in [need.check()] if wrong]


def _rows(absent: list, hints: bool = False) -> str:
    """Returns a line for everything that is not there, on other systems than Debian with what to install."""
    width = max(len(need.name) for need, _ in absent)
    wide = max(len(wrong) for _, wrong in absent)
    return "\n".join(f"    {need.name:{width}}  {wrong:{wide}}  {need.hint if hints else ''}".rstrip()
                     for need, wrong in absent)


def _as_root() -> list:
    """Returns the prefix that makes a command run as root. Raises `Failure` if there is no sudo, or it does not let
    this user."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        raise Failure("installing packages needs root: run make setup as root, or install sudo")
    silent = subprocess.run(["sudo", "-n", "true"], stdin=subprocess.DEVNULL, check=False,
                            capture_output=True, text=True)
    if silent.returncode and not os.isatty(0):
        raise Failure("installing packages needs root, and sudo does not give it without a "
                      f"terminal ({(silent.stderr.splitlines() or ['no reason given'])[-1]}): run make setup "
                      "on a terminal, or as root")
    if silent.returncode and subprocess.run(["sudo", "-v"], check=False).returncode:
        raise Failure("installing packages needs root, and sudo refused: run make setup as root")
    return ["sudo"]


def _install(absent: list, major: int) -> None:
    """Installs the packages behind what is missing, then what is built from source."""
    codename = debian.release()[1]
    say("Missing here:\n" + _rows(absent))
    backports = list(dict.fromkeys(package for need, _ in absent if need.backports
                                   for package in need.packages)) if major == 12 else []
    packages = [package for need, _ in absent for package in need.packages if package not in backports]
    packages = list(dict.fromkeys(packages))
    no_bindgen = major == 12 and any(need.name.startswith("bindgen") for need, _ in absent)
    if packages or backports:
        apt = debian.Apt("setup", [codename, f"{codename}-security", f"{codename}-backports"], _log())
        _repair()
        say("Fetching the lists of packages")
        apt.update(_as_root())
        if packages:
            say(f"Installing {' '.join(packages)}; log: {_log()}")
            _apt(apt, packages, "installation of packages")
        if backports:
            say(f"Installing {' '.join(backports)} from {codename}-backports; log: {_log()}")
            _apt(apt, ["-t", f"{codename}-backports", *backports], "installation of QEMU")
    if no_bindgen and not toolchain.bindgen()[0]:
        _cargo_install()
    if any(need.name.startswith("ruff") for need, _ in absent) and not needs.ruff():
        _pip_install()


def _apt(apt, packages: list, what: str) -> None:
    run([*_as_root(), *apt.command(), "install", "-y", "--no-install-recommends", *packages], _log(), what)


def _repair() -> None:
    """Ends what an interrupted installation has left half-way: apt would refuse to go on."""
    # Others than root may not look: dpkg could be busy.
    found = output([*_as_root(), "dpkg", "--audit"]).strip()
    if found or any(_DPKG_JOURNAL.glob("[0-9]*")):
        say(f"Finishing an installation that was interrupted; log: {_log()}")
        run([*_as_root(), "env", "DEBIAN_FRONTEND=noninteractive", "dpkg", "--configure", "-a"],
            _log(), "dpkg --configure -a")


def _pip_install() -> None:
    """Puts ruff, of which Debian has no package, into the cache."""
    say(f"Fetching ruff {needs.RUFF}; log: {_log()}")
    place = cache() / "tools" / "ruff"
    shutil.rmtree(place, ignore_errors=True)
    listing = cache() / "tools" / "ruff.txt"
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text(f"ruff=={needs.RUFF} --hash=sha256:{_RUFF_SUM}\n")
    run([sys.executable, "-m", "pip", "install", "--target", place, "--no-deps", "--only-binary", ":all:",
         "--require-hashes", "-r", listing], _log(), "pip install ruff")


def _cargo_install() -> None:
    """Builds bindgen, which Debian 12 has too old, into the cache."""
    say(f"Building bindgen {_BINDGEN}; log: {_log()}")
    compiler, text = toolchain.rustc()
    suffix, _ = toolchain.llvm(text if compiler else "")
    libdir = toolchain.Toolchain("", "", "", suffix, "").env().get("LIBCLANG_PATH", "")
    # By force: what is there may be of another machine, and not run on this one.
    run(["cargo", "install", "--force", "--locked", "--version", _BINDGEN, "--root", cache() / "tools",
         "bindgen-cli"], _log(), "cargo install bindgen-cli",
        env={"LIBCLANG_PATH": libdir} if libdir else {})
