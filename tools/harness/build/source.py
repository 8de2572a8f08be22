# SPDX-License-Identifier: GPL-2.0
"""The kernel's source: fetched as a Debian package into the cache, or given with KSRC=."""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from .. import lock
from ..host import debian
from ..paths import cache, log_dir
from ..proc import run
from ..report import parts
from ..say import Failure, say

#: The oldest kernel the drivers support, and the release the harness fetches.
MINIMUM = (7, 3)
RELEASE = "7.3"
_SUITE = "trixie-backports"


def version(tree: Path) -> str:
    """Returns the version that a source tree's Makefile states, "" if it is not one."""
    try:
        head = (tree / "Makefile").read_text(errors="replace")[:2000]
    except OSError:
        return ""
    parts = [re.search(rf"^{name} = *(\S*)$", head, re.M)
             for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL", "EXTRAVERSION")]
    if not all(parts):
        return ""
    major, minor, sub, extra = (part.group(1) for part in parts)
    return f"{major}.{minor}.{sub or 0}{extra}"


def supported(text: str) -> bool:
    """Returns whether a version or release is not too old."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return bool(found) and tuple(map(int, found.groups())) >= MINIMUM


def given(path: str) -> Path:
    """Checks the tree that KSRC= names and returns it. Raises `Failure` naming what is wrong with it."""
    tree = Path(path).expanduser().resolve()
    if not tree.is_dir():
        raise Failure(f"KSRC={path}: no such directory")
    found = version(tree)
    if not found or not (tree / "Kconfig").exists():
        raise Failure(f"KSRC={path}: not a Linux source tree (no Kconfig, or no version in Makefile)")
    if not supported(found):
        raise Failure(f"KSRC={path}: Linux {found} is older than {RELEASE}")
    if not (tree / "rust" / "kernel" / "lib.rs").exists():
        raise Failure(f"KSRC={path}: the tree has no rust/kernel")
    return tree


def ensure() -> Path:
    """Returns the source tree to build, fetching it if it is not in the cache."""
    asked = os.environ.get("KSRC")
    if asked:
        return given(asked)
    with lock.only_one(cache() / "src"):
        found = cached()
        if not found:
            with parts.made("source of the kernel"):
                found = _fetch()
        return found


def cached():
    """Returns the newest tree in the cache, None if there is none."""
    trees = sorted((cache() / "src").glob(f"linux-{RELEASE}.*"),
                   key=lambda tree: [int(n) for n in re.findall(r"\d+", tree.name)])
    return trees[-1] if trees else None


def _fetch() -> Path:
    """Downloads and unpacks the package. Whatever stage an earlier run reached is kept."""
    if not debian.is_debian():
        raise Failure(f"no source of Linux {RELEASE}: it is fetched as a Debian package, and this "
                      "is not Debian 12 or 13. Set KSRC= to a source tree, or KDIR= to a built one")
    log = log_dir() / "source.log"
    package = f"linux-source-{RELEASE}"
    downloads = cache() / "downloads"
    # Left by a run that ended before it could unpack; earlier versions had the fetched part there, too.
    found = [deb for deb in sorted(downloads.glob(f"{package}_*.deb")) if _is_whole(deb)]
    if not found:
        say(f"Fetching {package} (about 160 MB); log: {log}")
        apt = debian.Apt("kernel", [_SUITE], log)
        apt.update()
        found = [apt.download(package, downloads)]
    deb = found[-1]
    say(f"Unpacking {deb.name}; log: {log}")
    return _unpack(deb, log)


def _is_whole(deb: Path) -> bool:
    """Returns whether all of a package can be read."""
    return subprocess.run(["dpkg-deb", "--fsys-tarfile", deb], stdin=subprocess.DEVNULL, check=False,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def _unpack(deb: Path, log: Path) -> Path:
    """Unpacks the package, and removes it when the tree is in its place."""
    sources = cache() / "src"
    sources.mkdir(parents=True, exist_ok=True)
    for left in sources.glob(".unpack-*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=sources) as scratch:
        run(["dpkg-deb", "-x", deb, scratch], log, "dpkg-deb")
        archives = list(Path(scratch).glob("usr/src/linux-source-*.tar.xz"))
        if not archives:
            raise Failure(f"{deb} holds no kernel source\nLog: {log}")
        run(["tar", "-C", scratch, "-xJf", archives[0]], log, "unpacking of the kernel source")
        tree = next(Path(scratch).glob("linux-source-*"))
        target = sources / f"linux-{version(tree)}"
        shutil.rmtree(target, ignore_errors=True)
        tree.rename(target)
    deb.unlink()
    return target
