# SPDX-License-Identifier: GPL-2.0
"""Files and directories that are expensive to make: their names, their room, and that they are whole."""

import contextlib
import hashlib
import shutil
from pathlib import Path

from .say import Failure


def key(text: str) -> str:
    """Returns what something is named after that changes with a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def check_space(place: Path, wanted: int, what: str) -> None:
    """Checks that a file system has so many gigabytes free. Raises a `Failure` that names
    `what` if it has fewer."""
    free = shutil.disk_usage(place).free >> 30
    if free < wanted:
        raise Failure(f"{place}: {free} GB free, {what} needs {wanted}")


@contextlib.contextmanager
def whole(path: Path):
    """Yields a place beside `path` to make a file or a directory at, which is at `path` when the context ends well."""
    part = path.with_name(f".{path.name}.part")
    # Left over from a run that did not come to its end.
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part)
    else:
        part.unlink(missing_ok=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    yield part
    part.rename(path)
