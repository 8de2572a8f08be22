# SPDX-License-Identifier: GPL-2.0
"""Which files the parts of `make check` read. All paths of this tree that they know are here."""

import fnmatch
import functools
from pathlib import Path

from .. import paths, tree
from ..paths import REPO
from ..ring import cargo, fuzz
from ..say import Failure

#: The counts that the language check may not exceed.
COUNTS = REPO / "tools" / "check-counts.json"

#: The folders whose files do not import each other in circles. The wrappers are left out: the
#: operations of a device name the types that are generic over them.
NO_CIRCLES = ("net", "blk", "virtqueue/bus")

#: The configuration of rustfmt, which is a copy of the kernel's.
RUSTFMT = REPO / ".rustfmt.toml"

#: The crates that cargo builds for the host, and what of each clippy looks at.
CRATES = {cargo.CRATE: ["--all-targets"], fuzz.CRATE: ["--all-targets"],
          REPO / "tools" / "bench" / "host": ["--all-targets"], REPO / "tools" / "bench" / "plugin": ["--all-targets"]}

#: Where the KUnit suites, the tests of the ring core and the guest selftests are.
RING_TESTS = cargo.CRATE / "tests"
SELFTESTS = paths.SELFTESTS
HARNESS_TESTS = REPO / "tools" / "tests"

#: Programs in C that run in user space, where the kernel's types and macros are not to be had.
_USER_SPACE = ("tools/bench/*", "tools/host/*")

#: Rust code that a compiler has to refuse: it is not for reading.
_NO_PROSE = ("selftests/refused/*",)


@functools.cache
def _all() -> tuple:
    """Returns the names of all files. Raises `Failure` if neither git nor rsync tells them."""
    found = tuple(tree.files())
    if not found:
        raise Failure("the files of this tree are not known: install git or rsync")
    return found


def _named(*patterns: str) -> list:
    return [REPO / name for name in _all() if any(fnmatch.fnmatch(name, p) for p in patterns)]


def rust() -> list:
    """Returns the Rust files."""
    return _named("*.rs")


def prose() -> list:
    """Returns the files whose comments the language check reads."""
    left_out = _named(*_NO_PROSE)
    return [path for path in _named("*.rs", "*.c", "*.h") if path not in left_out]


def c_kernel() -> list:
    """Returns the C files and the Kconfig file that are the kernel's."""
    user = c_user()
    return [path for path in _named("*.c", "*.h", "Kconfig") if path not in user]


def c_user() -> list:
    """Returns the C files of programs in user space."""
    sources = _named("*.c", "*.h")
    return [path for path in _named(*_USER_SPACE) if path in sources]


def scripts() -> list:
    """Returns the shell scripts: by their name, or by their first line."""
    return [path for path in map(REPO.joinpath, _all())
            if path.suffix == ".sh" or (not path.suffix and _is_script(path))]


def _is_script(path: Path) -> bool:
    if not path.is_file() or path.is_symlink():
        return False
    with open(path, "rb") as file:
        words = file.readline(80).decode(errors="replace").split()
    return bool(words) and words[0].startswith("#!") and words[-1].rsplit("/", 1)[-1] in ("sh", "bash", "dash")


def python() -> list:
    """Returns the Python files."""
    return _named("*.py")


def markdown() -> list:
    """Returns the documents."""
    return _named("*.md")


def folder(path: Path) -> str:
    """Returns the folder by which the findings of a file are counted."""
    return str(path.parent.relative_to(REPO))
