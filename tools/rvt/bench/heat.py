# SPDX-License-Identifier: GPL-2.0
"""The matrix: one operation in every configuration, as tables coloured by the ratio."""

import math

from . import judge, tables, words
from .markup import el, table
from .view import USUAL, option

#: These and the layout make the rows; whatever else differs makes the columns.
_ROWS = ("indirect", "event_idx")
#: Less is blue, more is orange: told apart by colour-blind readers too.
_LESS, _MORE = (67, 133, 190), (226, 130, 60)


def sections(view, metric: str) -> list:
    """Returns a table for each work that was measured in several configurations."""
    groups, classics = {}, {row.workload for row in tables.classic(view)}
    for case in view.cases:
        if case.metric == metric and not case.alone and case.workload not in classics:
            groups.setdefault((case.workload, case.device, case.accel), []).append(case)
    made = []
    for (workload, _, accel), cases in groups.items():
        if len(cases) < 2 or not any(case.measured() for case in cases):
            continue
        rivals = [who for who in view.among(cases) if any(judge.judge(c, who) for c in cases)]
        for who in rivals or list(view.among(cases)):
            title = f"{workload}: {who.label}" + ("" if accel in ("tcg", "kvm") else f" ({accel})")
            made.append(_table(view, cases, who, title))
    return made


def _table(view, cases: list, who, title: str):
    varying = [name for name in dict.fromkeys(n for case in cases for n in case.options)
               if len({case.options.get(name) for case in cases}) > 1]
    across = _apart(cases, [name for name in varying if name not in _ROWS])
    down = [name for name in varying if name in _ROWS]
    columns = _distinct(cases, across, False)
    lines = _distinct(cases, down, True)
    place = {(_where(case, down, True), _where(case, across, False)): case for case in cases}
    notes = []
    head = ["layout", *[_title(across, key) or "figures" for key in columns]]
    rows = [[_title(down, key[1:], key[0]) or "any",
             *[_cell(view, place.get((key, column)), who, notes) for column in columns]]
            for key in lines]
    foot = el("ol", *[el("li", note) for note in notes], cls="notes") if notes else None
    return el("div", el("h3", title), table(head, rows, cls="heat"), foot)


def _apart(cases: list, names: list) -> list:
    """Returns the options without those that only follow another one."""
    kept = []
    for name in names:
        follows = any(len({(case.options.get(other), case.options.get(name)) for case in cases})
                      == len({case.options.get(other) for case in cases}) for other in kept)
        kept += [] if follows else [name]
    return kept


def _where(case, names: list, with_layout: bool) -> tuple:
    values = tuple(case.options.get(name) for name in names)
    return (case.layout, *values) if with_layout else values


def _distinct(cases: list, names: list, with_layout: bool) -> list:
    """Returns the rows or columns, with the usual value of each option first."""
    found = dict.fromkeys(_where(case, names, with_layout) for case in cases)
    order = {key: i for i, key in enumerate(dict.fromkeys(case.layout for case in cases))}

    def rank(key: tuple) -> tuple:
        values = key[1:] if with_layout else key
        unusual = [(value != USUAL.get(name), str(value)) for name, value in zip(names, values)]
        return (order[key[0]] if with_layout else 0, unusual)

    return sorted(found, key=rank)


def _title(names: list, values: tuple, layout: str = "") -> str:
    parts = [layout] if layout else []
    return ", ".join(parts + [option(name, value) for name, value in zip(names, values)
                              if value is not None])


def _cell(view, case, who, notes: list):
    """Returns one field; what could not run has its reason on hover and below the table."""
    cell = case.cells.get(who.key) if case else None
    if cell is None or cell.value is None:
        reason = cell.note if cell is not None and cell.note else "not measured"
        if reason not in notes:
            notes.append(reason)
        mark = el("sup", str(notes.index(reason) + 1))
        return el("td", "\u2013", mark, title=reason, cls="none")
    found = judge.judge(case, who)
    if not found:
        alone = None if view.baseline in (who, None) else el("small", "nothing to compare with")
        return el("td", words.number(cell.value), alone, title=case.name())
    base = case.value(view.baseline)
    small = el("small", f"{words.number(cell.value)} / {words.number(base)}")
    title = f"{case.name()}: {words.figure(cell.value, case.unit)} against {words.number(base)}, " \
            f"{found.verdict}"
    return el("td", el("b" if found.called else "span", words.change(found.value)), small,
              title=title, style=f"background:{color(found.value)}")


def color(value: float) -> str:
    """Returns the colour of a ratio: white at 1, soon tinted, full at a factor of 2 either way."""
    depth = math.sqrt(min(abs(math.log2(value)), 1)) if 0 < value < math.inf else 1
    tint = _LESS if value < 1 else _MORE
    mixed = [round(255 - (255 - part) * depth * 0.85) for part in tint]
    return "#" + "".join(f"{part:02x}" for part in mixed)
