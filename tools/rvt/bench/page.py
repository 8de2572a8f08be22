# SPDX-License-Identifier: GPL-2.0
"""The page: a summary, then charts and tables, each made from whatever cells there are."""

from . import chart_cost, compare, fields, heat, page_rates, page_summary, tables, words
from .markup import details, el, table
from .view import View

#: Metric, title of the chart, and what it means.
_COSTS = (
    ("instr_driver_ring", "guest instructions per operation",
     "Guest instructions executed in the driver, the ring and the transport for one operation: the "
     "slope over the number of operations, so boot and set-up are not in it. It repeats from run "
     "to run, on any machine."),
    ("instr_guest", "guest instructions per operation, all of the guest",
     "The same for the whole guest: the block layer or network stack above the driver is in it, "
     "and what the driver makes it do. Timers are too, so it does not repeat as well."))
_EVENTS = (("kicks", "Queue notifications written by the driver"),
           ("irqs", "Interrupts taken by the guest"), ("exits", "Exits to the hypervisor"))


def sections(report, base=None) -> list:
    """Returns (anchor, title, elements) of every section that has something in it."""
    view, charts = View(report), fields.Charts()
    every = [("summary", "Summary", page_summary.section(view)),
             ("since", "Since the older report", _since(report, base)),
             ("cost", "Cost of an operation", _cost(view, charts)),
             ("events", "Kicks and interrupts", _events(view, charts)),
             ("throughput", "Throughput and latency", page_rates.rates(view, charts)),
             ("classic", "An emulated card against virtio", page_rates.classic(view)),
             ("matrix", "Every configuration", _matrix(view)),
             ("memory", "Memory", _memory(view)),
             ("host", "Ring code alone", _host(view, charts)),
             ("missing", "What could not be measured", _missing(report)),
             ("about", "What the figures were made with", _about(report))]
    return [(anchor, title, made) for anchor, title, made in every if made]


def _since(report, base) -> list:
    if not base:
        return []
    head, rows, notes = compare.table(report, base)
    return [*[el("p", note) for note in notes],
            table(head, [[*row[:-1], el("td", row[-1], cls="mark")] for row in rows])
            if rows else None]


def _cost(view, charts) -> list:
    notes, drawn, more = [], [], []
    for metric, title, text in _COSTS:
        found = view.by_kernel(view.of(metric))
        if found:
            notes.append(el("p", text))
        for kernel, cases in found.items():
            where = f", KERNEL={kernel}" if kernel else ""
            drawn.append(charts.draw(chart_cost.stacked, view, cases, title + where,
                                     label=f"Bars: {title}{where}, by layer"))
            more += [details(f"As a table: {words.metric(metric)}{where}", fields.values(view, cases)),
                     *fields.folded(f"Made of what: {words.metric(metric)}{where}", view, cases),
                     fields.notes(fields.every(cases))]
    return [*notes, el("div", *drawn, cls="charts"), *more] if notes else []


def _events(view, charts) -> list:
    drawn, more = [], []
    classics = {row.name for row in tables.classic(view)}
    for metric, text in _EVENTS:
        cases = [case for case in view.headlines(view.of(metric))
                 if f"{case.workload}, {words.metric(metric)}" not in classics]
        if cases:
            unit = next((case.unit for case in cases if case.unit), "per operation")
            drawn.append(charts.draw(chart_cost.plain, view, cases, f"{text}, {unit}", label=text))
            more += [details(f"As a table: {text}", fields.values(view, cases)),
                     fields.notes(fields.every(cases))]
    return [el("div", *drawn, cls="charts"), *more] if more else []


def _matrix(view) -> list:
    made, more = heat.sections(view, "instr_driver_ring"), []
    for metric in ("instr_guest", "kicks", "irqs", "exits"):
        found = heat.sections(view, metric)
        if found:
            more.append(details(f"The same for {words.metric(metric)}",
                                el("div", *found, cls="side")))
    base = view.baseline.label if view.baseline else "the baseline"
    return [el("p", "Instructions in driver, ring and transport per operation, and the change "
               f"against {base}. Blue is less, orange is more; bold is called a difference. "
               "Numbered fields have no figure, for the reason below the table."),
            el("div", *made, cls="side"), *more] if made or more else []


def _memory(view) -> list:
    cases = view.of("memory")
    return [fields.values(view, cases, short=True), *fields.folded("Made of what", view, cases),
            fields.notes(fields.every(cases))] if cases else []


def _host(view, charts) -> list:
    groups = {}
    for case in view.headlines(tables.host(view)):
        groups.setdefault(case.unit, []).append(case)
    if not groups:
        return []
    drawn = [charts.draw(chart_cost.plain, view, cases, unit, label=f"Bars: ring code, {unit}")
             for unit, cases in groups.items()]
    cases = tables.host(view)
    return [el("p", "Ring code alone, as a program on the host: the same bench for every library "
               "in one run, compared with the one that has no percentage."),
            el("div", *drawn, cls="charts"),
            details("As a table", fields.values(view, cases)),
            fields.notes(fields.every(cases))]


def _missing(report) -> list:
    made = []
    for title, items in (("Problems", report.problems),
                         ("Left out on this machine", report.skipped)):
        if items:
            made += [el("h3", title),
                     table(["what", "why"], [[item["what"], item["why"]] for item in items])]
    reasons = {}
    for cell in report.cells:
        if cell.value is None:
            reasons.setdefault(cell.note or "no reason was given", []).append(cell.title())
    if reasons:
        made.append(el("h3", "Figures that could not be had"))
        made += [details(f"{why} ({len(names)})", el("ul", *[el("li", name) for name in names]))
                 for why, names in reasons.items()]
    return made


def _about(report) -> list:
    rows = []
    for name, value in report.about.items():
        if name == "stacks" or not value:
            continue
        if isinstance(value, list):
            value = "; ".join(_plain(item) for item in value)
        rows.append([name.replace("_", " "), str(value)])
    rows += [[str(stack.get("label", "")), " ".join(stack.get("modules", []))]
             for stack in report.about.get("stacks", [])]
    commands = list(dict.fromkeys(cell.command for cell in report.cells if cell.command))
    return [table(["", ""], rows) if rows else None,
            details("Commands that give these figures again", el("pre", "\n".join(commands)))
            if commands else None] if rows or commands else []


def _plain(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items() if item)
    return str(value)
