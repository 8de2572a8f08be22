# SPDX-License-Identifier: GPL-2.0
"""The page's sections on throughput, latency, and the emulated card."""

from . import chart_ratio, fields, judge, ratio, tables, words
from .markup import details, el, table
from .view import common


def rates(view, charts) -> list:
    """Returns the ratios of times and rates, and the distributions of latency."""
    cases = tables.rated(view)
    if not cases:
        return []
    base = view.baseline.label if view.baseline else "the baseline"
    groups = {}
    for case in cases:
        groups.setdefault((case.accel, case.metric in judge.MORE), []).append(case)
    drawn = [charts.draw(chart_ratio.ratios, view, group, _title(accel, group), more,
                         label=_title(accel, group)) for (accel, more), group in groups.items()]
    curves = [charts.draw(chart_ratio.distribution, view, case,
                          label=f"Latency distribution of {case.name()}")
              for case in view.of("latency_p50")]
    curves = [curve for curve in curves if curve is not None]
    return [el("p", f"Each dot is the median over the rounds of the ratio to {base}, the line is "
               f"where the true median is with 95 % (of less than {ratio.ROUNDS} rounds their "
               "whole range, and nothing is called). Filled diamonds are called, open circles are "
               "not; the tinted side is the better one."),
            el("div", *drawn, cls="charts"), details("As a table", fields.values(view, cases)),
            *fields.folded("Made of what", view, cases), fields.notes(fields.every(cases)),
            *([el("h3", "Distribution of latency"), el("div", *curves, cls="charts")]
              if curves else [])]


def _title(accel: str, cases: list) -> str:
    """Returns what a chart of ratios shows."""
    metrics = {case.metric for case in cases}
    what = words.metric(metrics.pop()) if len(metrics) == 1 else "latency and time"
    return "; ".join(part for part in (f"{what}, ratio", words.accel(accel), common(cases)) if part)


def classic(view) -> list:
    """Returns the table of the emulated card, with the published figures beside it."""
    rows = tables.classic(view)
    if not rows:
        return []
    people = tables.people(view, rows)
    head = ["", *[who.label for who in people],
            *[f"{name} ({tables.REFERENCE_NAME})" for name in ("e1000", "virtio-net")]]
    bodies = {}
    for row in rows:
        bodies.setdefault(row.workload, []).append([
            row.quantity,
            *[_field(row.cells.get(who), row.cells.get(people[0])) for who in people],
            *[el("td", words.number(row.reference(i)), cls="reference") for i in (0, 1)]])
    return [el("p", "One guest, the same stream of data through each card. The published figures "
               "are from another machine with real KVM: they are here as a scale, and are compared "
               "with nothing."),
            *[table(head, body, cls="values", caption=workload)
              for workload, body in bodies.items()],
            fields.notes(cell for row in rows for cell in row.cells.values())]


def _field(cell, card):
    """Returns a figure, in terms of the emulated card's and of the baseline's."""
    if cell is None:
        return el("td", "\u2013", cls="none")
    if cell.value is None:
        return el("td", cell.note or "no figure", cls="none")
    found = cell.ratio
    against = [el("small", f"{words.factor(found['value'])} of baseline, {found['verdict']}")
               ] if found else []
    if card is not None and card is not cell and card.value:
        against.append(el("small", f"{words.number(cell.value / card.value)} of {card.driver}"))
    return el("td", words.number(cell.value), *against, title=cell.note or None)
