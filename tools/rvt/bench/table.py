# SPDX-License-Identifier: GPL-2.0
"""The short table on the terminal: the figures to know, the rest is on the page."""

from . import chart_cost, judge, ratio, summary, tables, words
from .view import View

#: No line is longer.
WIDTH = 110
#: As many lines of a section are shown; the verdicts of the rest are counted.
_SHOWN = 5


def text(report) -> str:
    """Returns the table."""
    view = View(report)
    lines = []
    for title, rows in (*_costs(view),
                        ("Times and rates against the baseline in the same rounds", _ratios(view)),
                        ("An emulated card against virtio", _classic(view)),
                        ("Ring code alone on the host",
                         _wide(view, view.headlines(tables.host(view)))),
                        ("Memory", _wide(view, view.headlines(view.of("memory"))))):
        if rows:
            # An operation has a row for everyone, and is never cut.
            most = len(rows) if title.startswith("An operation") else _SHOWN + 1
            lines += ["", title, *_columns(rows[:most])]
            lines += [f"  and {len(rows) - most} more on the page"] if rows[most:] else []
    lines += _verdicts(view)
    gaps = summary.missing(report)
    if gaps:
        lines.append(f"{sum(map(len, gaps.values()))} figures or parts could not be had; the page "
                     "says what and why.")
    return "\n".join(lines)


def _columns(rows: list) -> list:
    """Returns rows as lines, the first column to the left and the others to the right."""
    count = max(len(row) for row in rows)
    rows = [[*row, *[""] * (count - len(row))] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(count)]
    widths[0] = max(10, min(widths[0], WIDTH - 2 - sum(width + 2 for width in widths[1:])))
    lines = []
    for row in rows:
        cut = [text if len(text) <= widths[i] else text[:widths[i] - 1] + "~"
               for i, text in enumerate(row)]
        lines.append(("  " + "  ".join([cut[0].ljust(widths[0]),
                                        *[text.rjust(width) for text, width
                                          in zip(cut[1:], widths[1:])]])).rstrip()[:WIDTH])
    return lines


def _against(case, who) -> str:
    found = judge.judge(case, who)
    if not found:
        return ""
    change = words.change(found.value)
    return change + (" (?)" if found.verdict == ratio.WIDE_SPREAD else "")


def _costs(view) -> list:
    """Returns a title and rows for each guest kernel."""
    events = [view.by_kernel(view.of(name)) for name in ("kicks", "irqs")]
    return [("An operation: guest instructions, kicks, interrupts" + (f"; KERNEL={kernel}" if kernel else ""),
             _cost(view, cases, [found.get(kernel, []) for found in events]))
            for kernel, cases in view.by_kernel(view.of("instr_driver_ring")).items()]


def _cost(view, cases: list, events: list) -> list:
    layers = chart_cost.layers(cases)
    events = [{(case.workload, case.device, case.accel): case for case in found} for found in events]
    rows = [["", "", *layers, "sum", "change", "kicks", "irqs"]] if cases else []
    for case in cases:
        for who in view.among([case]):
            if case.value(who) is None:
                continue
            parts = chart_cost.by_layer(case.cells[who.key])
            rows.append([case.name(), who.label,
                         *[words.number(parts.get(layer)) for layer in layers],
                         words.number(case.value(who)), _against(case, who),
                         *[_event(found.get((case.workload, case.device, case.accel)), who)
                           for found in events]])
    return _once(rows)


def _event(case, who) -> str:
    """Returns how often something happens, marked where it is called."""
    if case is None:
        return "-"
    found = judge.judge(case, who)
    return words.number(case.value(who)) + (
        {ratio.FASTER: " less", ratio.SLOWER: " more"}.get(found.verdict, "") if found else "")


def _once(rows: list) -> list:
    """Blanks names that are the same as in the row above."""
    return [[("" if i and row[0] == rows[i - 1][0] else row[0]), *row[1:]]
            for i, row in enumerate(rows)]


def _wide(view, cases: list) -> list:
    """Returns a row for each case and a column for everyone, with the change behind a figure."""
    people = view.among(cases)
    rows = [["", *[who.label for who in people]]] if cases else []
    for case in cases:
        row = [case.name() + (f", {case.unit}" if case.alone else "")]
        for who in people:
            against = _against(case, who)
            unit = case.unit.partition("/")[0] if case.metric == "memory" else ""
            value = words.figure(case.value(who), unit)
            row.append(f"{value} {against:>8}" if against else value)
        rows.append(row)
    return rows


def _ratios(view) -> list:
    """Returns the ratios, called ones first."""
    found = [(case, who, judge.judge(case, who)) for case in tables.rated(view)
             for who in view.everyone]
    found = [one for one in found if one[2]]
    found.sort(key=lambda one: (not one[2].called, one[2].verdict))
    rows = []
    for case, who, one in found:
        name = f"{case.name()}, {words.metric(case.metric)}"
        rows.append([name, who.label, words.factor(one.value),
                     f"{words.factor(one.low)}..{words.factor(one.high)}", one.verdict])
    return rows


def _classic(view) -> list:
    rows = tables.classic(view)
    people = tables.people(view, rows)
    made = [["", *[who.label for who in people]]] if rows else []
    for row in rows:
        made.append([f"{row.workload}, {row.quantity}",
                     *[words.number(row.cells[who].value) if who in row.cells else "-"
                       for who in people]])
    return made


def _verdicts(view) -> list:
    """Returns who is better how often, in so many words."""
    lines = [""]
    for who in summary.rivals(view):
        lines.append(summary.score(who, summary.findings(view, who)))
    return lines if len(lines) > 1 else []
