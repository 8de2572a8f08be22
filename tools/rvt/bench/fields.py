# SPDX-License-Identifier: GPL-2.0
"""What the sections of the page are put together from."""

from . import judge, plots, words
from .markup import details, el, svg, table

#: More notes than these are folded.
_NOTES = 5


class Charts:
    """Draws the charts of one page; each has ids of its own."""

    def __init__(self):
        self._count = 0

    def draw(self, make, *arguments, label: str):
        """Returns a chart, None if there is nothing to draw or nothing to draw it with."""
        fig = make(*arguments) if plots.available() else None
        if fig is None:
            return None
        self._count += 1
        return el("figure", svg(plots.to_svg(fig), f"c{self._count}", label))


def values(view, cases: list, short: bool = False, bare: bool = False):
    """Returns a table of cases by who: `short` without the metric, `bare` without the unit."""
    people = view.among(cases)
    rows = [[case.name() if short else f"{case.name()}, {words.metric(case.metric)}",
             *[_value(case, who, bare) for who in people]] for case in cases]
    return table(["", *[who.label for who in people]], rows, cls="values")


def _value(case, who, bare: bool):
    cell = case.cells.get(who.key)
    if cell is None:
        return el("td", "\u2013", title="not measured", cls="none")
    if cell.value is None:
        return el("td", cell.note or "no figure", cls="none")
    found = judge.judge(case, who)
    parts = [words.figure(cell.value, "" if bare else cell.unit)]
    if found:
        parts.append(el("b" if found.called else "span", f" {words.change(found.value)}"))
    if cell.spread and not bare:
        parts.append(el("small", f" spread {100 * cell.spread:.1f} %"))
    return el("td", *parts, title=cell.note or cell.command or None)


def made_of(view, case):
    """Returns what a case's figure consists of, function by function or module by module."""
    found = []
    for who in view.among([case]):
        parts = [part for part in case.cells[who.key].parts if part.get("value")]
        if not parts:
            continue
        rows = [[part.get("function") or "all", part.get("module") or "-",
                 part.get("layer") or "-", words.number(part["value"])]
                for part in sorted(parts, key=lambda part: -part["value"])]
        found.append(table(["function", "module", "layer", case.unit or "per operation"], rows,
                           cls="functions", caption=who.label))
    return el("div", el("h3", case.name()), el("div", *found, cls="side")) if found else None


def folded(title: str, view, cases: list) -> list:
    """Returns what figures are made of, folded, if that is known."""
    found = [made_of(view, case) for case in cases]
    return [details(title, *found)] if any(one is not None for one in found) else []


def notes(found):
    """Returns what has to be known of cells with a figure, each once, with what it is of."""
    told = {}
    for cell in found:
        if cell.note and cell.value is not None:
            told.setdefault(cell.note, []).append(f"{cell.workload}, {words.metric(cell.metric)}")
    lines = []
    for note, names in told.items():
        names = list(dict.fromkeys(names))
        shown = "; ".join(names[:3]) + (f"; and {len(names) - 3} more" if names[3:] else "")
        lines.append(el("li", f"{note} ({shown})"))
    made = el("ul", *lines, cls="notes") if lines else None
    return details(f"{len(lines)} notes", made) if len(lines) > _NOTES else made


def every(cases: list):
    """Yields the cells of cases."""
    for case in cases:
        yield from case.cells.values()
