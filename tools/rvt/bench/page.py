# SPDX-License-Identifier: GPL-2.0
"""The page: a summary, then charts and tables, each made from whatever cells there are."""

from . import chart_cost, chart_ratio, compare, heat, judge, plots, ratio, summary, tables, words
from .markup import details, el, svg, table
from .view import View, common

#: As many findings of a kind are shown unfolded.
_SHOWN = 5


class Page:
    """Makes the sections of one report; a section without cells is left out."""

    def __init__(self, report, base=None):
        self.report = report
        self.base = base
        self.view = View(report)
        self._charts = 0

    def sections(self) -> list:
        """Returns (anchor, title, element) of every section with something in it."""
        every = [("summary", "Summary", self._summary()),
                 ("since", "Since the older report", self._since()),
                 ("cost", "Cost of an operation", self._cost()),
                 ("events", "Kicks and interrupts", self._events()),
                 ("throughput", "Throughput and latency", self._ratios()),
                 ("classic", "An emulated card against virtio", self._classic()),
                 ("matrix", "Every configuration", self._matrix()),
                 ("memory", "Memory", self._memory()),
                 ("host", "Libraries on the host", self._host()),
                 ("missing", "What could not be measured", self._missing()),
                 ("about", "What the figures were made with", self._about())]
        return [(anchor, title, made) for anchor, title, made in every if made]

    def _chart(self, fig, label: str):
        """Returns a chart as an element."""
        self._charts += 1
        return el("figure", svg(plots.to_svg(fig), f"c{self._charts}", label))

    def _draw(self, make, *arguments, label: str, **options):
        """Returns a chart, None if there is nothing to draw or nothing to draw it with."""
        if not plots.available():
            return None
        fig = make(*arguments, **options)
        return self._chart(fig, label) if fig is not None else None

    def _summary(self) -> list:
        view = self.view
        made = []
        if not view.baseline:
            made.append(el("p", "Nothing was measured on the baseline, so nothing can be held "
                           "against it.", cls="warn"))
        main = view.headlines(view.of(summary.COST[0]))
        if main:
            made += [el("p", "Guest instructions in driver, ring and transport for one operation, "
                        "the figure to steer by:"), self._values(main, short=True, bare=True)]
        for who in summary.rivals(view):
            found = summary.findings(view, who)
            kinds = summary.by_verdict(found)
            made += [el("h3", summary.score(who, found)), el("p", summary.headline(view, who)),
                     el("ul", *[el("li", line) for line in summary.matrix(view, who)]),
                     el("div", self._card(f"Where {who.label} is better", kinds[ratio.FASTER],
                                          "card better"),
                        self._card(f"Where {view.baseline.label} is better", kinds[ratio.SLOWER],
                                   "card worse"), cls="cards")]
            made += [details(f"{title}: {len(kinds[verdict])}", self._list(kinds[verdict]))
                     for title, verdict in (("Too wide to call", ratio.WIDE_SPREAD),
                                            ("No difference", ratio.SAME)) if kinds[verdict]]
        return made + self._gaps() + [
            el("p", "No absolute time is compared across runs. Counts (instructions, kicks, "
               "interrupts, bytes) repeat and are compared as they are; times and rates only as "
               "ratios to the baseline in the same rounds, and a difference is called only if the "
               f"rounds agree on it with 95 %. {self._chance()}", cls="note")]

    def _chance(self) -> str:
        """Returns how many of the differences to expect from chance alone."""
        count = sum(judge.judge(case, who) is not None for case in tables.rated(self.view)
                    for who in self.view.everyone)
        return f"So about {count * (1 - ratio.SURE):.0f} of the {count} rates and times would be " \
               "called even if there were no difference at all." if count else ""

    def _gaps(self) -> list:
        """Returns what could not be had, by reason, the most frequent ones."""
        gaps = summary.missing(self.report)
        if not gaps:
            return []
        lines = [f"{whats[0] if len(whats) == 1 else f'{len(whats)} figures or parts'}: {why}"
                 for why, whats in sorted(gaps.items(), key=lambda item: -len(item[1]))]
        more = [f"{len(lines) - _SHOWN} more reasons"] if len(lines) > _SHOWN else []
        return [el("h3", "What could not be measured"),
                el("ul", *[el("li", line) for line in lines[:_SHOWN] + more]),
                el("p", el("a", "All of it", href="#missing"))]

    def _list(self, found: list):
        return el("ul", *[el("li", one.text(self.view.baseline)) for one in found])

    def _card(self, title: str, found: list, cls: str):
        body = [self._list(found[:_SHOWN]) if found else el("p", "Nowhere.")]
        if found[_SHOWN:]:
            body.append(details(f"{len(found) - _SHOWN} more", self._list(found[_SHOWN:])))
        return el("div", el("h3", f"{title} ({len(found)})"), *body, cls=cls)

    def _since(self) -> list:
        if not self.base:
            return []
        head, rows, notes = compare.table(self.report, self.base)
        return [*[el("p", note) for note in notes],
                table(head, [[el("th", row[0], scope="row"), *row[1:-1],
                              el("td", row[-1], cls="mark")] for row in rows]) if rows else None]

    def _cost(self) -> list:
        view, notes, charts, more = self.view, [], [], []
        for metric, title, text in (
                ("instr_driver_ring", "guest instructions per operation",
                 "Guest instructions executed in the driver, the ring and the transport for one "
                 "operation: the slope over the number of operations, so boot and set-up are not "
                 "in it. It repeats from run to run, on any machine."),
                ("instr_guest", "guest instructions per operation, all of the guest",
                 "The same for the whole guest: the file system or network stack above the driver "
                 "is in it, and what the driver makes it do.")):
            cases = view.headlines(view.of(metric))
            if not cases:
                continue
            notes.append(el("p", text))
            charts.append(self._draw(chart_cost.stacked, view, cases, title,
                                     label=f"Bars: {title}, by layer"))
            more.append(details(f"As a table: {words.metric(metric)}", self._values(cases)))
            made_of = [self._functions(case) for case in cases]
            if any(one is not None for one in made_of):
                more.append(details(f"Made of what: {words.metric(metric)}", *made_of))
        return [*notes, el("div", *charts, cls="charts"), *more] if notes else []

    def _values(self, cases: list, short: bool = False, bare: bool = False):
        """Returns a table of cases by who: `short` without the metric, `bare` without the unit."""
        people = self.view.among(cases)
        rows = []
        for case in cases:
            row = [case.name() if short else f"{case.name()}, {words.metric(case.metric)}"]
            for who in people:
                row.append(self._value(case, who, bare))
            rows.append(row)
        return table(["", *[who.label for who in people]], rows, cls="values")

    def _value(self, case, who, bare: bool):
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

    def _functions(self, case):
        """Returns what a case's figure consists of, function by function or module by module."""
        tables_ = []
        for who in self.view.among([case]):
            parts = [p for p in case.cells[who.key].parts if p.get("value")]
            if not parts:
                continue
            rows = [[part.get("function") or "all", part.get("module") or "-",
                     part.get("layer") or "-", words.number(part["value"])]
                    for part in sorted(parts, key=lambda part: -part["value"])]
            tables_.append(table(["function", "module", "layer", case.unit or "per operation"],
                                 rows, cls="functions", caption=who.label))
        return el("div", el("h3", case.name()), el("div", *tables_, cls="side")) \
            if tables_ else None

    def _events(self) -> list:
        view, charts, more = self.view, [], []
        classics = {row.name for row in tables.classic(view)}
        for metric, text in (("kicks", "Queue notifications written by the driver"),
                             ("irqs", "Interrupts taken by the guest"),
                             ("exits", "Exits to the hypervisor")):
            cases = [case for case in view.headlines(view.of(metric))
                     if f"{case.workload}, {words.metric(metric)}" not in classics]
            if cases:
                unit = next((case.unit for case in cases if case.unit), "per operation")
                charts.append(self._draw(chart_cost.plain, view, cases, f"{text}, {unit}",
                                         label=text))
                more.append(details(f"As a table: {text}", self._values(cases)))
        return [el("div", *charts, cls="charts"), *more] if more else []

    def _ratios(self) -> list:
        view, cases = self.view, tables.rated(self.view)
        if not cases:
            return []
        base = view.baseline.label if view.baseline else "the baseline"
        made = [el("p", f"Each dot is the median over the rounds of the ratio to {base}, the line "
                   f"is where the true median is with 95 % (of less than {ratio.ROUNDS} rounds their "
                   "whole range, and nothing is called). Filled diamonds are called, open circles "
                   "are not; the tinted side is the better one.")]
        groups = {}
        for case in cases:
            groups.setdefault((case.accel, case.metric in judge.MORE), []).append(case)
        charts = [self._draw(chart_ratio.ratios, view, group, _title(accel, group), more,
                             label=_title(accel, group))
                  for (accel, more), group in groups.items()]
        made.append(el("div", *charts, cls="charts"))
        made.append(details("As a table", self._values(cases)))
        made.append(_notes(cell for case in cases for cell in case.cells.values()))
        curves = [self._draw(chart_ratio.distribution, view, case,
                             label=f"Latency distribution of {case.name()}")
                  for case in view.of("latency_p50")]
        curves = [curve for curve in curves if curve is not None]
        if curves:
            made.append(el("h3", "Distribution of latency"))
            made.append(el("div", *curves, cls="charts"))
        return made

    def _classic(self) -> list:
        rows = tables.classic(self.view)
        if not rows:
            return []
        people = tables.people(self.view, rows)
        head = ["", *[who.label for who in people],
                *[f"{name} ({tables.REFERENCE_NAME})" for name in ("e1000", "virtio-net")]]
        bodies = {}
        for row in rows:
            line = [f"{words.metric(row.metric)}, {row.unit}"]
            for who in people:
                cell = row.cells.get(who)
                line.append(el("td", "\u2013", cls="none") if cell is None else
                            el("td", cell.note or "no figure", cls="none") if cell.value is None
                            else el("td", words.number(cell.value), _against(cell),
                                    title=cell.note or None))
            line += [el("td", words.number(row.reference(i)), cls="reference") for i in (0, 1)]
            bodies.setdefault(row.workload, []).append(line)
        return [el("p", "One guest, the same stream of data through each card. The published "
                   "figures are from another machine with real KVM: they are here as a scale, and "
                   "are compared with nothing."),
                *[table(head, body, cls="values", caption=workload)
                  for workload, body in bodies.items()],
                _notes(cell for row in rows for cell in row.cells.values())]

    def _matrix(self) -> list:
        made = heat.sections(self.view, "instr_driver_ring")
        for metric in ("instr_guest", "kicks", "irqs", "exits"):
            found = heat.sections(self.view, metric)
            if found:
                made.append(details(f"The same for {words.metric(metric)}", *found))
        if made:
            made.insert(0, el("p", "Instructions in driver, ring and transport per operation, and "
                              "the change against the baseline. Blue is less, orange is more; bold "
                              "differs by more than its spread. Numbered fields have no figure, "
                              "for the reason below the table."))
        return made

    def _memory(self) -> list:
        cases = self.view.of("memory")
        if not cases:
            return []
        made = [self._values(cases, short=True)]
        made_of = [self._functions(case) for case in cases]
        if any(one is not None for one in made_of):
            made.append(details("Made of what", *made_of))
        made.append(_notes(cell for case in cases for cell in case.cells.values()))
        return made

    def _host(self) -> list:
        groups = {}
        for case in tables.host(self.view):
            groups.setdefault(case.unit, []).append(case)
        made = [self._draw(chart_cost.plain, self.view, cases, f"{unit} on the host",
                           label="Bars: time per operation on the host")
                for unit, cases in groups.items()]
        if made:
            made.insert(0, el("p", "Ring code alone, driven in user space of the host by the same "
                              "bench for every library. Times of one run on one machine."))
            made.append(details("As a table", self._values(tables.host(self.view), short=True)))
        return made

    def _missing(self) -> list:
        made = []
        for title, items in (("Problems", self.report.problems),
                             ("Left out on this machine", self.report.skipped)):
            if items:
                made.append(el("h3", title))
                made.append(table(["what", "why"], [[i["what"], i["why"]] for i in items]))
        reasons = {}
        for cell in self.report.cells:
            if cell.value is None:
                reasons.setdefault(cell.note or "no reason was given", []).append(cell.title())
        if reasons:
            made.append(el("h3", "Figures that could not be had"))
            made += [details(f"{why} ({len(names)})", el("ul", *[el("li", n) for n in names]))
                     for why, names in reasons.items()]
        return made

    def _about(self) -> list:
        rows = []
        for name, value in self.report.about.items():
            if name == "stacks" or not value:
                continue
            if isinstance(value, list):
                value = "; ".join(_plain(item) for item in value)
            rows.append([name.replace("_", " "), str(value)])
        for stack in self.report.about.get("stacks", []):
            rows.append([str(stack.get("label", "")), " ".join(stack.get("modules", []))])
        commands = list(dict.fromkeys(cell.command for cell in self.report.cells if cell.command))
        made = [table(["", ""], rows)] if rows else []
        if commands:
            made.append(details("Commands that give these figures again",
                                el("pre", "\n".join(commands))))
        return made


def _plain(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {item}" for name, item in value.items() if item)
    return str(value)


def _notes(found):
    """Returns what has to be known of cells with a figure, each once, with what it is of."""
    notes = {}
    for cell in found:
        if cell.note and cell.value is not None:
            notes.setdefault(cell.note, []).append(f"{cell.workload}, {words.metric(cell.metric)}")
    lines = []
    for note, names in notes.items():
        names = list(dict.fromkeys(names))
        shown = "; ".join(names[:3]) + (f"; and {len(names) - 3} more" if names[3:] else "")
        lines.append(el("li", f"{note} ({shown})"))
    return el("ul", *lines, cls="notes") if lines else None


def _title(accel: str, cases: list) -> str:
    """Returns what a chart of ratios shows."""
    metrics = {case.metric for case in cases}
    what = words.metric(metrics.pop()) if len(metrics) == 1 else "latency and time"
    return "; ".join(part for part in (f"{what}, ratio", words.accel(accel), common(cases)) if part)


def _against(cell):
    """Returns a cell's ratio as small print."""
    found = cell.ratio
    return el("small", f" {words.factor(found['value'])} of the baseline, {found['verdict']}") \
        if found else None
