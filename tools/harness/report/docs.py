# SPDX-License-Identifier: GPL-2.0
"""`harness.py docs`: makes the parts of docs/ that are made from others."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

from bench.report import figures

from ..paths import REPO
from ..say import Failure, say
from . import excerpts, parity

DOCS = REPO / "docs"

#: The source of the picture of the layers, and the picture.
SOURCE = DOCS / "architecture.dot"
PICTURE = DOCS / "architecture.svg"

#: The table of features without the tests.
PARITY = DOCS / "parity.md"

_PARITY_HEAD = """<!-- SPDX-License-Identifier: GPL-2.0 -->
<!-- Made by `make docs` from parity-tests.md: change that. -->
# Parity with the C drivers

The features of the C drivers of Linux 7.3, and their state here. [parity-tests.md](parity-tests.md) names the tests
that prove each row, and `make parity` compares it with the last test run.

"""


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


def parity_page() -> str:
    """Returns the table of features for people: counts, what is missing, and all rows."""
    rows = parity.rows_of(parity.FEATURES)
    drivers = list(dict.fromkeys(_driver(row) for row in rows))
    page = _PARITY_HEAD + _head("driver", *parity.STATES, "all")
    for driver in [*drivers, "all"]:
        states = [row[3] for row in rows if driver in (_driver(row), "all")]
        page += _line(driver, *(states.count(state) for state in parity.STATES), len(states))
    page += "\n## Missing, or in part\n"
    for driver in drivers:
        missing = [row for row in rows if _driver(row) == driver and row[3] != "yes"]
        if missing:
            page += f"\n### {driver}\n\n" + _head("row", "feature", "state", "remark")
        for _, key, feature, state, _ in missing:
            page += _line(key, *_remark(feature)[:1], state, *_remark(feature)[1:])
    page += "\n## All rows\n"
    for section in dict.fromkeys(row[0] for row in rows):
        page += f"\n### {section}\n\n" + _head("row", "feature", "state")
        for _, key, feature, state, _ in (row for row in rows if row[0] == section):
            page += _line(key, feature if state == "yes" else _remark(feature)[0], state)
    return page


def _driver(row) -> str:
    """Returns the driver of a row: its section is "driver, tier"."""
    return row[0].split(",")[0]


def _remark(feature: str) -> tuple:
    """Returns a feature and the remark in parentheses behind it."""
    found = re.fullmatch(r"(.*?) \((.*)\)", feature)
    return (found[1], found[2]) if found else (feature, "")


def _line(*cells) -> str:
    return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |\n"


def _head(*titles) -> str:
    return _line(*titles) + "|" + "---|" * len(titles) + "\n"


def main(_args) -> int:
    """Makes everything anew."""
    PARITY.write_text(parity_page())
    say(f"{PARITY.relative_to(REPO)} made")
    known = figures.load()
    for document in sorted(DOCS.glob("*.md")):
        text = document.read_text()
        if (new := figures.renewed(excerpts.renewed(text), known)) != text:
            document.write_text(new)
            say(f"{document.relative_to(REPO)}: code and figures renewed")
    # Last: they need programs that are not on every machine.
    draw(SOURCE, PICTURE)
    if not figures.is_drawn():
        figures.draw(known)
        say(f"{figures.PICTURE.relative_to(REPO)} drawn")
    return 0
