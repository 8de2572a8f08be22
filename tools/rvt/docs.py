# SPDX-License-Identifier: GPL-2.0
"""`rvt.py docs`: makes the parts of docs/ that are made from others."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from .paths import REPO
from .say import Failure, say

DOCS = REPO / "docs"

#: The source of the picture of the layers, and the picture.
SOURCE = DOCS / "architecture.dot"
PICTURE = DOCS / "architecture.svg"


def stamp(source: Path) -> str:
    """Returns the line of a picture that says which source it was drawn from."""
    return f"<!-- {source.name} sha256:{hashlib.sha256(source.read_bytes()).hexdigest()} -->"


def draw(source: Path, picture: Path) -> None:
    """Draws a picture with Graphviz."""
    if not shutil.which("dot"):
        raise Failure("there is no command dot: install Graphviz (apt install graphviz)")
    made = subprocess.run(["dot", "-Tsvg", source], capture_output=True, text=True, check=False)
    if made.returncode or made.stderr:
        raise Failure(f"dot {source.name}: {made.stderr.strip()}")
    # After the line that says that this is XML, which has to be the first.
    first, rest = made.stdout.split("\n", 1)
    picture.write_text(f"{first}\n{stamp(source)}\n{rest}")
    say(f"{picture.relative_to(REPO)} drawn")


def main(_args) -> int:
    """Makes everything anew."""
    draw(SOURCE, PICTURE)
    return 0
