# SPDX-License-Identifier: GPL-2.0
"""Kernels with the drivers and the ring built in, made in a copy of the kernel's source.

The copy and the builds are in the cache and are brought up to date by each run: what does not come
from this tree is built once.
"""

import contextlib
import os
from pathlib import Path

from .. import files, lock
from ..build import kernel, source
from ..host import toolchain
from ..paths import cache, log_dir
from ..proc import run
from ..say import say
from . import in_tree, seed

#: The kernel variant: guest.config and this fragment of tools/config/.
VARIANT = "in-tree"


def top() -> Path:
    """Returns the directory of the copy and of what is built from it."""
    tree = source.ensure()
    key = f"-{files.key(str(tree))}" if os.environ.get("KSRC") else ""
    return cache() / "in-tree" / f"{source.version(tree)}{key}"


@contextlib.contextmanager
def current():
    """Yields the copy of the source with this tree's drivers in it; no other run changes it meanwhile."""
    place, tree = top(), source.ensure()
    with lock.only_one(place):
        copy = place / "linux"
        log = log_dir() / "in-tree.log"
        done = place / ".copied"
        if not done.exists() or os.environ.get("KSRC"):
            say(f"Copying {tree} to {copy}; log: {log}")
            copy.mkdir(parents=True, exist_ok=True)
            run(["rsync", "-a", "--delete", f"--link-dest={tree}", f"--exclude=/{in_tree.PLACE}",
                 "--exclude=/.git", *(f"--exclude=/{name}" for name in in_tree.PATCHED),
                 f"{tree}/", f"{copy}/"], log, "copying of the kernel tree")
            done.touch()
        changed = in_tree.place(copy, base=tree)
        say(f"{copy}: the drivers are in drivers/virtio/rust ({changed} files are new)")
        yield copy


def directory() -> Path:
    """Returns the build directory of the guest kernel with everything built in, brought up to date."""
    with current() as tree:
        return build(tree)


def build(tree: Path) -> Path:
    """Builds the guest kernel from the copy of the source, and returns its directory."""
    tools, original = toolchain.find(), source.ensure()
    kdir = kernel.place(VARIANT, original, tools)
    guest = kernel.place("", original, tools)
    if not kdir.exists() and kernel.is_built(""):
        seed.seed(guest, original, kdir, tree)
    kernel.build(tree, kdir, VARIANT, tools)
    return kdir
