# SPDX-License-Identifier: GPL-2.0
"""Packages made from ours, for tests of what goes wrong: a later version whose build fails."""

import re
import shutil
from pathlib import Path

from ..proc import run
from ..say import Failure


def broken(deb: Path, place: Path, log: Path) -> Path:
    """Returns a package of a later version than `deb` that DKMS cannot build, in `place`. Raises `Failure` if `deb` is
    not a package of modules for DKMS."""
    out = place / "broken.deb"
    if out.exists():
        return out
    tree = place / "broken"
    shutil.rmtree(tree, ignore_errors=True)
    run(["dpkg-deb", "-R", deb, tree], log, f"unpacking of {deb.name}")
    sources = list(tree.glob("usr/src/*/dkms.conf"))
    if len(sources) != 1:
        raise Failure(f"{deb} has {len(sources)} dkms.conf in /usr/src, not one")
    old, new = _later(tree, sources[0].parent)
    kbuild = tree / "usr" / "src" / new / "Kbuild"
    kbuild.write_text("$(error this build fails on purpose)\n" + kbuild.read_text())
    run(["dpkg-deb", "--root-owner-group", "-b", tree, out], log, f"packing of a broken {new} after {old}")
    shutil.rmtree(tree)
    return out


def _later(tree: Path, source: Path) -> tuple:
    """Makes an unpacked package one of a later version; returns the names of the old and of the new
    directory in /usr/src."""
    version = re.search(r'^PACKAGE_VERSION="?([^"\n]+)"?', (source / "dkms.conf").read_text(), re.M)
    if not version or not source.name.endswith(version[1]):
        raise Failure(f"{source}: the directory is not named after PACKAGE_VERSION")
    later = version[1] + ".99"
    name = source.name.removesuffix(version[1]) + later
    # Maintainer scripts, dkms.conf and the list of checksums name the version.
    for path in [source / "dkms.conf", *(tree / "DEBIAN").iterdir()]:
        path.write_text(_renamed(path.read_text(), version[1], later))
    source.rename(source.with_name(name))
    return source.name, name


def _renamed(text: str, old: str, new: str) -> str:
    """Replaces a version where it is a word of its own, or follows a hyphen."""
    return re.sub(rf"(?<![\w.]){re.escape(old)}(?![\w.])", new, text)
