# SPDX-License-Identifier: GPL-2.0
"""Links in documents: what they lead to in this tree has to be there, headings too.

What is somewhere else is not looked at: that needs a network, and fails for reasons that are not in this
tree.
"""

import re
from pathlib import Path

_LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
_DEFINED = re.compile(r"^ {0,3}\[[^\]]+\]:\s*(\S+)", re.M)
_HTML = re.compile(r"<(?:a|img)\b[^>]*\b(?:href|src)=\"([^\"]+)\"")
_FENCE = re.compile(r"^( {0,3})(```|~~~).*?^\1\2[^\n]*$", re.M | re.S)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)
_HEADING = re.compile(r"^ {0,3}#{1,6} +(.*?) *#*$", re.M)


def findings(path: Path, top: Path) -> list:
    """Returns `(line, what is wrong)` for each link of a document that leads nowhere."""
    text = path.read_text()
    prose = _blank(_CODE, _blank(_FENCE, text))
    wrong = []
    for pattern in (_LINK, _DEFINED, _HTML):
        for found in pattern.finditer(prose):
            reason = _wrong(path, found[1], top)
            if reason:
                wrong.append((prose.count("\n", 0, found.start()) + 1, reason))
    return sorted(wrong)


def _blank(pattern, text: str) -> str:
    """Returns a text with what matches as spaces, so that lines keep their numbers."""
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _wrong(path: Path, link: str, top: Path) -> str:
    """Returns why a link leads nowhere, "" if it does not, or leads out of the tree."""
    if re.match(r"[a-z][a-z0-9+.-]*:", link, re.I):
        return ""
    name, _, heading = link.partition("#")
    target = path if not name else (top / name[1:] if name.startswith("/") else path.parent / name)
    if not target.exists():
        return f"{link}: no such file"
    if top not in (target.resolve(), *target.resolve().parents):
        return f"{link}: outside of the tree"
    if heading and target.suffix == ".md" and heading not in _anchors(target.read_text()):
        return f"{link}: no such heading"
    return ""


def _anchors(text: str) -> set:
    """Returns the names of the headings of a document, as the sites that show it make them."""
    names, seen = set(), {}
    for title in _HEADING.findall(_blank(_FENCE, text)):
        title = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", title)
        name = re.sub(r"[^\w\- ]", "", title.lower().replace("`", "")).replace(" ", "-")
        count = seen.get(name, 0)
        seen[name] = count + 1
        names.add(f"{name}-{count}" if count else name)
    return names
