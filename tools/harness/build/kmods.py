# SPDX-License-Identifier: GPL-2.0
"""The modules of a kernel: where they are, and which of them guests take along.

In a build directory they are where they were built, in the directory of a distribution's headers they
are not at all: those are in /lib/modules/<release>, compressed or not.
"""

import functools
import gzip
import lzma
import re
import subprocess
from pathlib import Path

from ..paths import CONFIG
from ..say import Failure

#: What guests may ask for of a kernel that has more modules than a guest can hold.
_LIST = CONFIG / "guest.modules"

#: A kernel with more is a distribution's.
_MANY = 500

_NAME = re.compile(r"([\w.+-]+?)\.(?:ko(?:\.(?:xz|gz|zst))?|o)$")


def release(kdir: Path) -> str:
    """Returns the release of the kernel built in `kdir`."""
    name = kdir / "include" / "config" / "kernel.release"
    try:
        return name.read_text().strip()
    except OSError:
        raise Failure(f"{kdir} is not a built kernel: {name} is missing")


def image(kdir: Path) -> Path:
    """Returns the image to boot: the built one, or the one that was installed with the headers. Raises `Failure` if
    there is none."""
    name = release(kdir)
    places = [kdir / "arch" / "x86" / "boot" / "bzImage", Path(f"/lib/modules/{name}/vmlinuz"),
              Path(f"/boot/vmlinuz-{name}")]
    for place in places:
        if place.exists():
            return place
    raise Failure(f"{kdir} has no arch/x86/boot/bzImage, and no image of Linux {name} is installed: "
                  "build bzImage there, or install the kernel")


def top(kdir: Path) -> Path:
    """Returns the directory that modules.order and modules.builtin are in."""
    for place in (kdir / "modules", kdir, Path("/lib/modules") / release(kdir)):
        if (place / "modules.order").exists():
            return place
    return kdir


def name_of(path) -> str:
    """Returns the name of a module, as the kernel writes it, from that of its file or object."""
    found = _NAME.match(Path(path).name)
    return (found.group(1) if found else Path(path).name).replace("-", "_")


def every(kdir: Path) -> dict:
    """Returns name -> file of all modules of a kernel, in its order."""
    where = top(kdir)
    order = where / "modules.order"
    if not order.exists():
        raise Failure(f"{kdir} has no modules.order, and no modules of Linux {release(kdir)} are "
                      "installed: build the kernel's modules there")
    return {name_of(line): _file(where, line) for line in order.read_text().split()}


def _file(where: Path, line: str) -> Path:
    base = where / re.sub(r"\.k?o$", ".ko", line)
    return next((found for found in (base.with_name(base.name + end) for end in ("", ".xz", ".zst", ".gz"))
                 if found.exists()), base)


def builtin(kdir: Path) -> set:
    """Returns the names of what is a module in other kernels and part of this one."""
    listed = top(kdir) / "modules.builtin"
    return {name_of(line) for line in listed.read_text().split()} if listed.exists() else set()


def taken(kdir: Path, ours=()) -> dict:
    """Returns name -> file of the kernel's modules that a guest takes along: all, if they are not too
    many, or those of tools/config/guest.modules with what they and `ours` need."""
    there = every(kdir)
    if len(there) <= _MANY:
        return there
    left, found = [*_listed(), *(name for path in ours for name in needs(Path(path)))], set()
    while left:
        name = left.pop()
        if name in there and name not in found:
            found.add(name)
            left += needs(there[name])
    return {name: path for name, path in there.items() if name in found}


def _listed() -> list:
    """Returns the names in tools/config/guest.modules."""
    lines = (line.partition("#")[0] for line in _LIST.read_text().splitlines())
    return [word.replace("-", "_") for line in lines for word in line.split()]


@functools.lru_cache(maxsize=512)
def needs(path: Path) -> list:
    """Returns the names of the modules that have to be there before a module is."""
    text = read(path)
    names = []
    for kind, value in re.findall(rb"\0(depends|softdep)=([^\0]*)", text):
        words = value.decode().replace(",", " ").split()
        names += [word for word in words if not word.endswith(":")] if kind == b"softdep" else words
    return [name.replace("-", "_") for name in names]


def read(path: Path) -> bytes:
    """Returns a module as the kernel loads it, uncompressed."""
    if path.suffix == ".xz":
        return lzma.decompress(path.read_bytes())
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        try:
            return subprocess.run(["zstd", "-dcq", path], check=True, capture_output=True).stdout
        except (OSError, subprocess.CalledProcessError):
            raise Failure(f"{path} cannot be unpacked: is zstd installed?")
    return path.read_bytes()
