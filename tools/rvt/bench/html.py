# SPDX-License-Identifier: GPL-2.0
"""Writes the report people look at: one file, with nothing outside of it."""

import os
from pathlib import Path

from ..paths import REPO
from . import markup, page, plots
from .markup import el

_CHARTS = "charts"
_STYLE = REPO / "bench" / "report.css"


def write(report, path, base=None) -> None:
    """Writes the page; without a plotting library its tables, and a problem that says so."""
    report.problems = [one for one in report.problems if one["what"] != _CHARTS]
    if not plots.available():
        report.problem(_CHARTS, plots.MISSING)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text(report, base), encoding="utf-8")
    os.replace(part, path)


def text(report, base=None) -> str:
    """Returns the page."""
    sections = page.sections(report, base)
    title = "Virtio drivers, Rust against C: what they cost"
    about = report.about
    made = ", ".join(str(about[name]) for name in ("time", "commit", "cpu", "accelerator")
                     if about.get(name))
    body = [el("header", el("h1", title), el("p", made, cls="note"),
               el("nav", *[el("a", name, href=f"#{anchor}") for anchor, name, _ in sections]))]
    body += [el("section", el("h2", name), *parts, id=anchor) for anchor, name, parts in sections]
    head = el("head", el("meta", charset="utf-8"),
              el("meta", name="viewport", content="width=device-width, initial-scale=1"),
              el("title", title), el("style", _STYLE.read_text(encoding="utf-8")))
    return markup.page(el("html", head, el("body", el("main", *body)), lang="en"))
