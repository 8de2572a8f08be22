# SPDX-License-Identifier: GPL-2.0
"""Where things live: the source tree, the cache outside it, and out/ inside it."""

import os
from pathlib import Path

#: The top of the source tree.
REPO = Path(__file__).resolve().parents[2]

#: Products of one tree (modules, logs, results). Ignored by git.
OUT = REPO / "out"

#: The configurations of guest kernels.
CONFIG = REPO / "tools" / "config"

#: The beginning of the names of marks, which tell how far a build in the cache is. It is a former name of the
#: harness: by another one, no kernel that is in a cache would be found.
MARK = ".rvt-"
BUILT, CONFIGURED = f"{MARK}built", f"{MARK}configured"

#: Shell scripts that run inside a guest.
GUEST_SCRIPTS = REPO / "tools" / "guest"

#: What runs beside the harness on the host.
HOST_SOURCES = REPO / "tools" / "host"

#: The guest selftests.
SELFTESTS = REPO / "selftests" / "guest"


def cache() -> Path:
    """Returns the directory shared between trees: sources, kernels, images, tools."""
    own = os.environ.get("RUST_VIRTIO_CACHE")
    if own:
        return Path(own).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    # As a whole, as builds name what they were made in.
    return (Path(base).expanduser() / "rust-virtio").resolve()


def log_dir() -> Path:
    """Returns the directory of this tree's logs, made if needed."""
    logs = OUT / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return logs


def new_log(name: str) -> Path:
    """Returns the log of a name, without that of an earlier run."""
    log = log_dir() / f"{name}.log"
    log.unlink(missing_ok=True)
    return log
