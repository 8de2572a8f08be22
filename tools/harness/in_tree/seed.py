# SPDX-License-Identifier: GPL-2.0
"""Starts a kernel build from a finished one of another tree.

Kbuild builds again what was made by another command or from newer files. Where two source trees
differ in few files, as a tree and its copy with the drivers do, nearly nothing of a build has to be
made again, but the commands and the dependencies that it recorded name the directories it was made
in. Here they are made to name others.
"""

import os
from pathlib import Path

from .. import files
from ..paths import MARK, log_dir
from ..proc import run
from ..say import say

#: What Kbuild records in names of directories; everything else is relative.
_RECORDS = (".cmd", ".d", "Makefile")


def seed(build: Path, tree: Path, fresh: Path, moved: Path) -> None:
    """Makes `fresh`, a build directory for the tree `moved`, from `build`, which is one for `tree`.

    `fresh` is not there yet. Files that both trees have must be the same ones, times included.
    """
    log = log_dir() / f"kernel-{fresh.name}.log"
    say(f"Copying {build} to {fresh}; log: {log}")
    names = [(str(old).encode(), str(new).encode()) for old, new in ((build, fresh), (tree, moved))]
    with files.whole(fresh) as part:
        run(["cp", "-aT", "--reflink=auto", build, part], log, "copying of the kernel build")
        for mark in part.glob(f"{MARK}*"):
            mark.unlink()
        for path in part.rglob("*"):
            if path.name.endswith(_RECORDS) and path.is_file() and not path.is_symlink():
                _rename(path, names)


def _rename(path: Path, names: list) -> None:
    """Replaces names of directories in a file, which keeps its times."""
    before = data = path.read_bytes()
    for old, new in names:
        data = data.replace(old + b"/", new + b"/").replace(old + b" ", new + b" ")
        data = data.replace(old + b"\n", new + b"\n")
    if data != before:
        times = path.stat()
        path.write_bytes(data)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
