# SPDX-License-Identifier: GPL-2.0
"""The files of this tree, as a clone of it would have them: with what is new and not yet committed."""

import os
from pathlib import Path

from .paths import OUT, REPO
from .proc import output, run

#: Products of builds, where there is no git to say which files are no source.
_PRODUCTS = (f"/{OUT.name}/", ".git", "__pycache__/", "target/")


def files() -> list:
    """Returns the names of all files, relative to the top, in order."""
    found = output(["git", "-C", REPO, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]).split("\0")
    if not any(found):
        # An archive of the sources, or a machine without git.
        found = output(["rsync", "-r", "--list-only",
                        *(f"--exclude={name}" for name in _PRODUCTS), f"{REPO}/"]).splitlines()
        found = [line.split(maxsplit=4)[4] for line in found if line[:1] in "-l"]
    return sorted(name for name in set(found) if name and os.path.lexists(REPO / name))


def copy(dest: Path, log: Path) -> None:
    """Copies the files to a directory that exists."""
    listing = dest.with_name(f".{dest.name}.files")
    listing.write_text("".join(f"{name}\0" for name in files()))
    try:
        run(["rsync", "-a", "--from0", f"--files-from={listing}", f"{REPO}/", f"{dest}/"], log, "copying of the tree")
    finally:
        listing.unlink()
