# SPDX-License-Identifier: GPL-2.0
"""Excerpts of sources in documents.

A line `<!-- code: FILE, PLACE, ... -->` is above each of them. A place is the beginning of an item, such as
`fn probe`; the next place is looked for inside of that item. So a source needs no marks for its documents.
"""

import re
import textwrap
from pathlib import Path

from ..paths import REPO
from ..say import Failure

_MARK = re.compile(r"<!-- code: ([^,]+), (.+) -->$")

#: The first line of code of a document. Its compiler is that of the source.
FENCE = "```rust"


def renewed(text: str, top: Path = REPO) -> str:
    """Returns a document whose excerpts are those of the sources. Raises `Failure` if there is no such place, or no
    code below a mark."""
    out, lines = [], iter(text.split("\n"))
    for line in lines:
        out.append(line)
        mark = _MARK.match(line)
        if not mark:
            continue
        if next(lines, "") != FENCE or not any(later == "```" for later in lines):
            raise Failure(f"no code below {line}")
        out += [FENCE, *excerpt((top / mark[1]).read_text(), mark[2].split(", ")), "```"]
    return "\n".join(out)


def unmarked(text: str) -> list:
    """Returns the numbers of the lines where code begins that is not an excerpt."""
    lines = ["", *text.split("\n")]
    return [number for number, line in enumerate(lines) if line == FENCE and not _MARK.match(lines[number - 1])]


def excerpt(source: str, places: list) -> list:
    """Returns the lines of an item, without its indentation. Raises `Failure` if there is no such item."""
    lines = source.split("\n")
    for place in places:
        lines = _item(lines, place)
    return textwrap.dedent("\n".join(lines)).split("\n")


def _item(lines: list, place: str) -> list:
    """Returns the lines of the first item that begins so, with its attributes and its documentation."""
    begins = re.compile(rf"\s*{re.escape(place)}(?!\w)")
    at = next((number for number, line in enumerate(lines) if begins.match(line)), None)
    if at is None:
        raise Failure(f"there is no \"{place}\"")
    indent = lines[at][:len(lines[at]) - len(lines[at].lstrip())]
    end = at
    if lines[at].lstrip().startswith("//"):
        while end + 1 < len(lines) and lines[end + 1].startswith(f"{indent}//"):
            end += 1
    elif not lines[at].rstrip().endswith((";", ",", "}")):
        end = next((number for number in range(at + 1, len(lines)) if lines[number].startswith(f"{indent}}}")), None)
        if end is None:
            raise Failure(f"\"{place}\" has no end")
    while at and lines[at - 1].startswith((f"{indent}#[", f"{indent}///")):
        at -= 1
    return lines[at:end + 1]
