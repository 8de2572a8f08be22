# SPDX-License-Identifier: GPL-2.0
"""When the set-up from nothing was last tried here, and with what: it need not be tried again with the same."""

import ast
import hashlib
import json
import threading
import time
from pathlib import Path

from .. import files
from ..host import debian, needs
from ..paths import REPO, cache, log_dir
from ..proc import output
from . import machine

#: The modules that set-up begins in, and those that come before the demo's guest.
_ENTRIES = ["variables", "host.setup", "build.source", "guest.image", "build.kernel", "build.modules", "demo.demo",
            "fresh.fresh"]
#: Files besides the modules of the harness.
_OTHERS = ["Makefile", "tools/harness.py", "tools/host/enter.sh", "tools/host/python.sh",
           "packaging/dkms/prepare-kdir", "tools/guest/demo-boot.sh"]


def code() -> list:
    """Returns the files that set a machine up, and those that try it."""
    package = REPO / "tools" / "harness"
    found, left = set(), list(_ENTRIES)
    while left:
        module = left.pop().split(".")
        path = package.joinpath(*module).with_suffix(".py")
        if path in found or not path.exists():
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.level:
                left += _modules(module[:-node.level], node)
    return sorted([*found, *(REPO / name for name in _OTHERS)])


def _modules(folder: list, node: ast.ImportFrom) -> list:
    """Returns the modules that an import may name, in a folder of the harness."""
    place = folder + (node.module.split(".") if node.module else [])
    return [".".join(names) for names in (place, *([*place, name.name] for name in node.names)) if names]


def key(suite: str) -> str:
    """Returns a text that changes if set-up does something else on a release. Raises `Failure` if the lists of packages
    cannot be fetched."""
    log = log_dir() / f"fresh-{suite}.log"
    return _digest([*(path.read_text() for path in code()), *_packages(suite, log)])


def _digest(parts: list) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _packages(suite: str, log: Path) -> list:
    """Returns what apt would install in the bare root, with versions."""
    status = machine.root(suite).ensure(log) / "var/lib/dpkg/status"
    apt = debian.Apt(f"fresh-{suite}", [suite, f"{suite}-security", f"{suite}-backports"], log)
    apt.update()
    major = 12 if suite == "bookworm" else 13
    all_needs = needs.needs(major)
    lines = []
    for later in (False, True):
        names = sorted({name for need in all_needs for name in need.packages
                        if (need.backports and major == 12) == later})
        if not names:
            continue
        text = output([*apt.command(), "install", "--simulate", "--no-install-recommends",
                       "-o", f"Dir::State::status={status}",
                       *(["-t", f"{suite}-backports"] if later else []), *names, "python3"])
        lines += sorted(line for line in text.splitlines() if line.startswith("Inst ")) \
            or [f"apt has no answer at {time.time()}"]
    return lines


#: Releases are tried at the same time.
_noting = threading.Lock()


def _file() -> Path:
    return cache() / "fresh-passed.json"


def _passed() -> dict:
    try:
        return json.loads(_file().read_text())
    except (OSError, ValueError):
        return {}


def passed(leg: str, now: str) -> str:
    """Returns the day when a leg passed with the same key, "" if it did not."""
    entry = _passed().get(leg, {})
    return entry.get("day", "") if entry.get("key") == now else ""


def same_code(leg: str) -> bool:
    """Returns whether a leg passed with the present code, whatever was installed then."""
    return _passed().get(leg, {}).get("code") == _digest([path.read_text() for path in code()])


def note(leg: str, now: str) -> None:
    """Notes that a leg has passed."""
    with _noting:
        every = _passed()
        every[leg] = {"key": now, "code": _digest([path.read_text() for path in code()]),
                      "day": time.strftime("%Y-%m-%d")}
        with files.whole(_file()) as part:
            part.write_text(json.dumps(every, indent=1) + "\n")
