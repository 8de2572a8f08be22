# SPDX-License-Identifier: GPL-2.0
"""The short tables on the terminal: the figures to know, the rest is on the page."""

from .. import ratio
from . import compare, summary, words
from .model import Model, layers

#: No line is longer.
WIDTH = 120
#: So many lines of a section are shown, and of changes.
_SHOWN, _CHANGES = 6, 21


def table(rows: list, most: int = None) -> list:
    """Returns rows as lines, the first column to the left and the others to the right; `most` at most."""
    shown = rows[:most]
    widths = [max(map(len, column)) for column in zip(*shown)]
    widths[0] = max(10, min(widths[0], WIDTH - 2 - sum(width + 2 for width in widths[1:])))
    lines = []
    for name, *others in shown:
        name = name if len(name) <= widths[0] else name[:widths[0] - 1] + "~"
        cut = [text.rjust(width) for text, width in zip(others, widths[1:])]
        lines.append("  ".join(["", name.ljust(widths[0]), *cut]).rstrip()[:WIDTH])
    return lines + ([f"  and {len(rows) - len(shown)} more on the page"] if rows[len(shown):] else [])


def text(report) -> str:
    """Returns the tables of a report."""
    model, lines = Model(report), []
    alone, memory, touched = (model.headlines(cases) for cases in (
        model.alone(), model.of("memory"), model.of("lines_read", "lines_written")))
    for title, rows, most in (
            *_costs(model), ("Cache lines", _wide(touched, model.among(touched)), None),
            ("Growth of driver and ring instructions", _growth(model), None),
            ("Times and rates against the baseline in the same rounds", _ratios(model), _SHOWN),
            ("An emulated card against virtio", _wide(model.classic(), model.cards()), _SHOWN),
            ("Ring code alone on the host", _wide(alone, model.among(alone)), _SHOWN),
            ("Memory", _wide(memory, model.among(memory)), _SHOWN)):
        lines += ["", title, *table(rows, most)] if rows else []
    scores = [summary.score(subject, summary.findings(model, subject)) for subject in summary.rivals(model)]
    lines += ["", *scores] if scores else []
    gaps = sum(map(len, summary.missing(report).values()))
    lines += [f"{gaps} figures or parts could not be had; the page says what and why."] if gaps else []
    return "\n".join(lines)


def changes(report, base) -> str:
    """Returns what has changed since an older report; what came or went is counted only."""
    found = compare.table(report, base)
    rows = [row for row in found["rows"] if row[-1] not in ("new", "gone")]
    return "\n".join(["", "Since the older report", *found["notes"],
                      *(table([found["head"], *rows], _CHANGES) if rows else ["Nothing changed."])])


def _against(case, subject) -> str:
    found = case.against(subject)
    if not found:
        return ""
    return words.change(found["value"]) + (" (?)" if found["verdict"] == ratio.WIDE_SPREAD else "")


def _costs(model) -> list:
    """Returns a title and rows for each guest kernel."""
    events = [model.by_kernel(model.of(name)) for name in ("instr_guest", "kicks", "irqs")]
    return [("An operation: guest instructions, kicks, interrupts" + (f"; KERNEL={kernel}" if kernel else ""),
             _cost(model, cases, [found.get(kernel, []) for found in events]), None)
            for kernel, cases in model.by_kernel(model.of(summary.MAIN)).items()]


def _cost(model, cases: list, events: list) -> list:
    names = layers(cases)
    events = [{(case.workload, case.device, case.accel): case for case in found} for found in events]
    rows = [["", "", *names, "sum", "change", "guest", "kicks", "irqs"]]
    for case in cases:
        name = case.name()
        for subject in model.among([case]):
            if case.value(subject) is not None:
                parts = case.layers(subject)
                rows.append([name, subject.label, *[words.number(parts.get(layer)) for layer in names],
                             words.number(case.value(subject)), _against(case, subject),
                             *[_event(found.get((case.workload, case.device, case.accel)), subject)
                               for found in events]])
                name = ""
    return rows


def _growth(model) -> list:
    """Returns a row for each axis and subject: the first and the last point, and the dearest one."""
    rows = [["", "", "least", "most", "first", "last", "dearest"]]
    for cases in model.growth(summary.MAIN):
        name = f"{cases[0].workload}, {words.axis(cases[0].axis)}"
        for subject in model.among(cases):
            known = [(case.options[case.axis], case.value(subject)) for case in cases
                     if case.value(subject) is not None]
            if known:
                figures = [value for _, value in known]
                rows.append([name, subject.label, *[f"{point:,}" for point, _ in (known[0], known[-1])],
                             *map(words.number, (figures[0], figures[-1], max(figures)))])
                name = ""
    return rows if rows[1:] else []


def _event(case, subject) -> str:
    """Returns how often something happens, marked if that is called a difference."""
    if case is None:
        return "-"
    verdict = (case.against(subject) or {}).get("verdict")
    return words.number(case.value(subject)) + {ratio.FASTER: " less", ratio.SLOWER: " more"}.get(verdict, "")


def _wide(cases: list, subjects: list) -> list:
    """Returns a row for each case and a column for each subject, with the change behind a figure."""
    rows = [["", *[subject.label for subject in subjects]]] if cases else []
    for case in cases:
        unit = case.unit.partition("/")[0] if case.metric == "memory" else ""
        fields = [(words.figure(case.value(subject), unit), _against(case, subject)) for subject in subjects]
        rows.append([case.name() if case.metric == "memory" else f"{case.name()}, {case.quantity()}",
                     *[f"{value} {against:>8}" if against else value for value, against in fields]])
    return rows


def _ratios(model) -> list:
    """Returns the ratios, called ones first."""
    found = [(case, subject, case.against(subject)) for case in model.rated() for subject in model.rivals([case])]
    found.sort(key=lambda one: (not ratio.called(one[2]), one[2]["verdict"]))
    return [[case.title(), subject.label, words.factor(one["value"]),
             f"{words.factor(one['low'])}..{words.factor(one['high'])}", one["verdict"]]
            for case, subject, one in found]
