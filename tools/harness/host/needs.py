# SPDX-License-Identifier: GPL-2.0
"""What the machine must have, how each thing is checked, and which package brings it."""

import dataclasses
import importlib.metadata
import importlib.util
import os
import platform
import pwd
import shutil
import struct
import sys
from pathlib import Path
from typing import Callable

from ..paths import BUILT, OUT, REPO, cache
from ..proc import output
from ..ring.cargo import find_cargo
from ..say import Failure
from . import toolchain

QEMU_MIN = (9, 2)

#: Of pytest: the first that takes its path from pytest.ini.
_PYTEST_MIN = 7

#: The one version whose findings `make check` knows. Debian 12 and 13 have no package of it.
RUFF = "0.15.20"


@dataclasses.dataclass
class Need:
    """One thing that must be there. `check` returns "" or what is wrong."""

    name: str
    check: Callable
    #: Debian packages that bring it.
    packages: list
    #: How to get it on other systems.
    hint: str
    #: Whether it comes from the backports suite on Debian 12.
    backports: bool = False


def _wrong(found, text: str = "not found") -> str:
    """Returns what is wrong where something was looked for, "" if it was found."""
    return "" if found else text


def _command(name: str, package: str) -> Need:
    return Need(name, lambda: _wrong(shutil.which(name) or Path(f"/usr/sbin/{name}").exists()), [package],
                f"a package with the command {name}")


def _header(name: str, package: str) -> Need:
    places = ["/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/local/include"]

    return Need(f"<{name}>", lambda: _wrong(any(Path(p, name).exists() for p in places), f"<{name}> not found"),
                [package], f"the development package with <{name}>")


def _libclang() -> str:
    suffix, _ = toolchain.llvm(toolchain.rustc()[1])
    libdir = output([f"llvm-config{suffix if suffix.startswith('-') else ''}", "--libdir"]).strip()
    found = libdir and any(Path(libdir).glob("libclang*.so*"))
    system = any(Path("/usr").glob("lib*/libclang.so*")) or any(Path("/usr/lib/x86_64-linux-gnu").glob("libclang*.so*"))
    return _wrong(found or system, "libclang.so not found")


def qemu() -> str:
    """Returns what is wrong with QEMU, "" if it can be used."""
    text = output(["qemu-system-x86_64", "--version"])
    if not text:
        return "not found"
    found = toolchain.version(text)
    return "" if found >= QEMU_MIN else f"is {found[0]}.{found[1]}, older than 9.2"


def _busybox() -> str:
    name = shutil.which("busybox")
    if not name:
        return "not found"
    return "" if _is_static(Path(name).read_bytes()) else "not linked statically"


def _library(module: str, package: str, hint: str) -> Need:
    """Returns the need for a library of the Python that this is, with which the benchmark makes its report."""
    def check() -> str:
        importlib.invalidate_caches()
        return "" if importlib.util.find_spec(module) else f"not found by {sys.executable}"

    return Need(module, check, [package], f"{hint} for the Python that runs this (PYTHON= picks another)")


def _pytest() -> str:
    """Checks for pytest in the Python that this is."""
    importlib.invalidate_caches()
    if not importlib.util.find_spec("pytest"):
        return f"not found by {sys.executable}"
    found = importlib.metadata.version("pytest")
    return "" if int(found.partition(".")[0]) >= _PYTEST_MIN else f"is {found}, older than {_PYTEST_MIN}"


def _is_static(elf: bytes) -> bool:
    """Returns whether a 64-bit ELF file asks for no interpreter (PT_INTERP)."""
    start, = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    return all(struct.unpack_from("<I", elf, start + i * size)[0] != 3 for i in range(count))


def needs(debian: int) -> list:
    """Returns everything needed; `debian` is the major release, 0 elsewhere."""
    twelve = debian == 12
    # Root file systems are unpacked by ordinary users through a range of user ids.
    user = [_command("newuidmap", "uidmap")] if os.geteuid() else []
    return [
        *user,
        Need("rustc 1.85", lambda: _wrong(*toolchain.rustc()), ["rustc-web", "rust-web-src"] if twelve else
             ["rustc", "rust-src"], "rustc 1.85 or later with the sources of its standard library (rust-src)"),
        Need("clang 17", lambda: _wrong(*toolchain.llvm(toolchain.rustc()[1])),
             ["clang-22", "lld-22", "llvm-22"] if twelve else ["clang", "lld", "llvm"],
             "clang, lld and llvm, 17 or later, best of rustc's LLVM"),
        Need("libclang", _libclang, ["libclang-22-dev"] if twelve else ["libclang-dev"],
             "libclang of the same version"),
        Need("bindgen 0.71.1", lambda: _wrong(*toolchain.bindgen()), [] if twelve else ["bindgen"],
             "bindgen-cli 0.71.1 or later (cargo install --locked bindgen-cli)"),
        Need("QEMU 9.2", qemu, ["qemu-system-x86", "qemu-utils"],
             "qemu-system-x86_64 9.2 or later", backports=True),
        Need("static busybox", _busybox, ["busybox-static"], "a statically linked busybox"),
        _command("qemu-img", "qemu-utils"), _command("cc", "build-essential"),
        _command("make", "build-essential"), _command("bc", "bc"), _command("bison", "bison"),
        _command("flex", "flex"), _command("perl", "perl"), _command("xz", "xz-utils"),
        _command("lz4", "lz4"), _command("cpio", "cpio"), _command("rsync", "rsync"),
        _command("depmod", "kmod"), _command("mmdebstrap", "mmdebstrap"), _command("mke2fs", "e2fsprogs"),
        _command("ip", "iproute2"), _command("ethtool", "ethtool"),
        _command("nsenter", "util-linux"), _command("dnsmasq", "dnsmasq-base"),
        _command("iperf3", "iperf3"), _command("fio", "fio"), _command("socat", "socat"),
        _command("sockperf", "sockperf"),
        _command("tcpdump", "tcpdump"), _command("jq", "jq"), _command("ping", "iputils-ping"),
        _command("cargo", "cargo-web" if twelve else "cargo"), _command("valgrind", "valgrind"),
        _header("libelf.h", "libelf-dev"), _header("openssl/ssl.h", "libssl-dev"), *unit_needs(debian),
    ]


def bench_needs(_debian: int) -> list:
    """Returns what the report of the benchmark is made with. No guest needs it, and it is a quarter of the packages
    of a set-up."""
    return [_library("matplotlib", "python3-matplotlib", "matplotlib 3.6 or later"),
            _library("jinja2", "python3-jinja2", "Jinja2 3.0 or later")]


def unit_needs(_debian: int) -> list:
    """Returns what runs the unit tests of the harness."""
    return [Need(f"pytest {_PYTEST_MIN}", _pytest, ["python3-pytest"], f"pytest {_PYTEST_MIN} or later for the "
                 "Python that runs this (PYTHON= picks another)")]


def rustfmt() -> str:
    """Returns the path of rustfmt, that of the compiler in use if it has one; "" if there is none."""
    return toolchain.beside_rustc("rustfmt")


def _clippy() -> str:
    cargo = find_cargo()
    if not cargo:
        return "cargo not found"
    return _wrong(output([cargo, "clippy", "--version"]))


def ruff() -> str:
    """Returns the path of the ruff to use, "" if it is not there."""
    for name in (str(cache() / "tools" / "ruff" / "bin" / "ruff"), shutil.which("ruff") or ""):
        if name and output([name, "--version"]).split()[-1:] == [RUFF]:
            return name
    return ""


def _pip() -> list:
    """Returns the package that ruff is installed with, where it is not there."""
    return [] if output([sys.executable, "-m", "pip", "--version"]) else ["python3-pip"]


def check_needs(debian: int) -> list:
    """Returns everything that `make check` needs; `debian` is the major release, 0 elsewhere."""
    twelve = debian == 12
    return [
        Need("rustfmt", lambda: _wrong(rustfmt()), ["rustfmt-web" if twelve else "rustfmt"],
             "rustfmt of rustc 1.85 or later"),
        _command("cargo", "cargo-web" if twelve else "cargo"), _command("c++", "build-essential"),
        Need("clippy", _clippy, ["rust-web-clippy" if twelve else "rust-clippy"],
             "cargo-clippy and clippy-driver of the same release as rustc"),
        _command("shellcheck", "shellcheck"), _command("perl", "perl"), _command("rsync", "rsync"),
        Need(f"ruff {RUFF}", lambda: _wrong(ruff()), _pip(), f"ruff {RUFF} (pip install ruff=={RUFF})"),
    ]


def check_machine() -> None:
    """Checks that guests can be built here: they are x86-64, and so are the compilers' outputs."""
    machine = platform.machine()
    if (platform.system(), machine) != ("Linux", "x86_64"):
        raise Failure(f"this machine is {platform.system()} on {machine}; kernels, modules and "
                      "guests are built and run on Linux on x86_64 only")
    packages = output(["dpkg", "--print-architecture"]).strip()
    if packages not in ("", "amd64"):
        raise Failure(f"the packages of this machine are {packages}, and the compilers are needed "
                      "for amd64: use a system that is amd64 as a whole")


def check_tree() -> None:
    """Checks that builds, logs and results can go into out/."""
    place = next(path for path in (OUT / "logs", OUT, REPO) if path.exists())
    wrong = _unwritable(place)
    if wrong:
        raise Failure(f"{wrong}: builds, logs and results go to {OUT}")


def _unwritable(place: Path) -> str:
    """Returns what keeps this user from writing in a directory, and what to do; "" if nothing."""
    if os.access(place, os.W_OK | os.X_OK):
        return ""
    try:
        owner = place.stat().st_uid
    except OSError as error:
        return f"{place}: {error.strerror}"
    if owner != os.geteuid() and os.statvfs(place).f_flag & os.ST_RDONLY == 0:
        return (f"{place} cannot be written: it is of user {_name(owner)}, from an earlier run perhaps "
                f"(sudo chown -R {_name(os.geteuid())} {place})")
    return f"{place} cannot be written"


def _name(user: int) -> str:
    """Returns the name of a user id, or the number where it has none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def check_space() -> None:
    """Checks that the cache can be written, and has room for what is not in it yet."""
    top = cache()
    try:
        top.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"{top}: {error.strerror} (set RUST_VIRTIO_CACHE= to another place)")
    # Packages are fetched by root for others, too, so of apt/ there is only the top.
    for place in [top, *sorted(path for path in top.iterdir() if path.is_dir())]:
        wrong = _unwritable(place)
        if wrong:
            raise Failure(f"{wrong}; or set RUST_VIRTIO_CACHE= to another place")
    built = any(top.glob(f"build/*/{BUILT}")) or os.environ.get("KDIR")
    wanted = 4 if built else 15
    free = shutil.disk_usage(top).free >> 30
    if free < wanted:
        raise Failure(f"{top}: {free} GB free, {wanted} GB needed (set RUST_VIRTIO_CACHE= to another place)")


def check_tun() -> None:
    """Checks that guests can be given a network."""
    if not os.path.exists("/dev/net/tun"):
        raise Failure("/dev/net/tun is missing: guests get their network through it (modprobe tun)")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        raise Failure("/dev/net/tun cannot be opened by this user (chmod 666 /dev/net/tun is what most systems have)")
    if os.geteuid() and os.system("unshare --user --map-root-user --net true 2>/dev/null"):
        raise Failure("this user may not make network namespaces: run as root, or allow unprivileged user namespaces")
