# SPDX-License-Identifier: GPL-2.0
"""Gives net/fuzz-like-c the kernel's library for netlink (pyynl), and the specifications that the library reads."""

import importlib.util
import json
import os
import zipfile
from pathlib import Path

from harness.build import source
from harness.say import Failure

_LIBRARY, _SPECS = "tools/net/ynl/pyynl", "Documentation/netlink/specs"
_WANTED = ("ethtool", "rt-link", "netdev", "net_shaper")

#: Guests have no module for YAML: the specifications are given as JSON, behind the line with their license.
_YAML = '''# SPDX-License-Identifier: GPL-2.0
"""Reads YAML that is JSON, behind one line of comment."""

import json


class SafeLoader:
    """The name of the way to read it."""


def load(stream, Loader):
    """Returns what a file has."""
    stream.readline()
    return json.load(stream)
'''


def _pack(archive: Path, tree: Path) -> None:
    """Writes the library and the specifications of a kernel's source to an archive."""
    import yaml  # pylint: disable=import-outside-toplevel
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("yaml.py", _YAML)
        for path in [*tree.glob(f"{_LIBRARY}/__init__.py"), *tree.glob(f"{_LIBRARY}/lib/*.py")]:
            packed.write(path, path.relative_to(tree / _LIBRARY.rpartition("/")[0]))
        for name in _WANTED:
            text = (tree / _SPECS / f"{name}.yaml").read_text()
            packed.writestr(f"specs/{name}.yaml", text.splitlines()[0] + "\n" + json.dumps(yaml.safe_load(text)))


def actions(guest) -> dict:
    """Returns what the script may ask for: to have the archive `packed` in the run directory."""
    def packed(_argument: str) -> None:
        tree = source.ensure() if os.environ.get("KSRC") else source.cached()
        if not tree:
            raise Failure("the kernel's source is not there (make kernel, or KSRC=)")
        if not importlib.util.find_spec("yaml"):
            raise Failure("this machine's Python has no yaml (package python3-yaml)")
        _pack(guest.rundir / "ynl.zip", tree)

    return {"packed": packed}
