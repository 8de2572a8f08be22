# SPDX-License-Identifier: GPL-2.0
"""The page: a summary, then charts and tables, each made from whatever cells there are."""

from . import chart_cost, chart_ratio, compare, heat, judge, plots, ratio, summary, tables, words
from .markup import details, el, svg, table
from .view import View

#: As many findings of a kind are shown unfolded.
_SHOWN = 8


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
        for who in summary.rivals(view):
            found = summary.findings(view, who)
            made.append(el("p", el("b", summary.score(who, found))))
            made.append(el("ul", *[el("li", line) for line in
                                   summary.headline(view, who) + summary.matrix(view, who)]))
            kinds = summary.by_verdict(found)
            made.append(el("div", *[self._card(title, kinds[verdict], cls) for title, verdict, cls in (
                (f"Where {who.label} is better", ratio.FASTER, "card better"),
                (f"Where {view.baseline.label} is better", ratio.SLOWER, "card worse"),
                ("No difference", ratio.SAME, "card"),
                ("Too wide to call", ratio.WIDE_SPREAD, "card"))], cls="cards"))
        gaps = summary.missing(self.report)
        if gaps:
            made.append(el("p", f"{len(gaps)} figures or parts could not be had, with "
                           f"{len(self.report.problems)} problems: ",
                           el("a", "what and why", href="#missing"), "."))
        made.append(el("p", "No absolute time is compared across runs. Counts (instructions, kicks, "
                       "interrupts, bytes) repeat and are compared as they are; times and rates "
                       "only as ratios to the baseline in the same rounds, and a difference is "
                       "called only if all rounds agree on it.", cls="note"))
        return made

    def _card(self, title: str, found: list, cls: str):
        lines = [el("li", one.text(self.view.baseline)) for one in found]
        body = [el("ul", *lines[:_SHOWN])] if lines else [el("p", "None.")]
        if lines[_SHOWN:]:
            body.append(details(f"{len(lines) - _SHOWN} more", el("ul", *lines[_SHOWN:])))
        return el("div", el("h3", f"{title} ({len(found)})"), *body, cls=cls)

    def _since(self) -> list:
        if not self.base:
            return []
        head, rows, notes = compare.table(self.report, self.base)
        return [*[el("p", note) for note in notes],
                table(head, [[el("th", row[0], scope="row"), *row[1:-1],
                              el("td", row[-1], cls="mark")] for row in rows]) if rows else None]

    def _cost(self) -> list:
        view, made = self.view, []
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
            made.append(el("p", text))
            made.append(self._draw(chart_cost.stacked, view, cases, title,
                                   label=f"Bars: {title}, by layer"))
            made.append(details("As a table", self._values(cases)))
            made += [self._functions(case) for case in cases]
        return made

    def _values(self, cases: list, short: bool = False):
        """Returns a table of cases by who."""
        people = self.view.among(cases)
        rows = []
        for case in cases:
            row = [case.name() if short else f"{case.name()}, {words.metric(case.metric)}"]
            for who in people:
                row.append(self._value(case, who))
            rows.append(row)
        return table(["", *[who.label for who in people]], rows, cls="values")

    def _value(self, case, who):
        cell = case.cells.get(who.key)
        if cell is None:
            return el("td", "\u2013", title="not measured", cls="none")
        if cell.value is None:
            return el("td", cell.note or "no figure", cls="none")
        found = judge.judge(case, who)
        parts = [words.figure(cell.value, cell.unit)]
        if found:
            parts.append(el("b" if found.called else "span", f" {words.change(found.value)}"))
        if cell.spread:
            parts.append(el("small", f" spread {100 * cell.spread:.1f} %"))
        return el("td", *parts, title=cell.note or cell.command or None)

    def _functions(self, case):
        """Returns what a case's cost consists of, function by function, folded."""
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
        return details(f"By function: {case.name()}, {words.metric(case.metric)}",
                       el("div", *tables_, cls="side")) if tables_ else None

    def _events(self) -> list:
        view, made = self.view, []
        classics = {row.name for row in tables.classic(view)}
        for metric, text in (("kicks", "Queue notifications written by the driver"),
                             ("irqs", "Interrupts taken by the guest"),
                             ("exits", "Exits to the hypervisor")):
            cases = [case for case in view.headlines(view.of(metric))
                     if f"{case.workload}, {words.metric(metric)}" not in classics]
            if cases:
                unit = next((case.unit for case in cases if case.unit), "per operation")
                made.append(self._draw(chart_cost.plain, view, cases, f"{text}, {unit}",
                                       label=text))
                made.append(details(f"{text}, as a table", self._values(cases)))
        return made

    def _ratios(self) -> list:
        view, cases = self.view, tables.rated(self.view)
        if not cases:
            return []
        made = [el("p", f"Each dot is the median ratio to {view.baseline.label if view.baseline else 'the baseline'} over the rounds, the "
                   "line goes from the smallest to the largest ratio. Filled diamonds are called, "
                   "open circles are not; the tinted side is the better one.")]
        groups = {}
        for case in cases:
            groups.setdefault((case.accel, case.metric), []).append(case)
        charts = [self._draw(chart_ratio.ratios, view, group,
                             f"{words.metric(metric)}, ratio; {words.accel(accel)}",
                             metric in judge.MORE, label=f"Ratios of {words.metric(metric)}")
                  for (accel, metric), group in groups.items()]
        made.append(el("div", *charts, cls="charts"))
        made.append(details("As a table", self._values(cases)))
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
        body = []
        for row in rows:
            line = [f"{row.name}, {row.unit}"]
            for who in people:
                cell = row.cells.get(who)
                line.append(el("td", "\u2013", cls="none") if cell is None else
                            el("td", cell.note or "no figure", cls="none") if cell.value is None
                            else el("td", words.number(cell.value), _against(cell),
                                    title=cell.note or None))
            line += [el("td", words.number(row.reference(i)), cls="reference") for i in (0, 1)]
            body.append(line)
        return [el("p", "One guest, the same TCP stream through each card. The published figures "
                   "are from another machine with real KVM: they are here as a scale, and are "
                   "compared with nothing."), table(head, body, cls="values")]

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
        made += [self._functions(case) for case in cases]
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


def _against(cell):
    """Returns a cell's ratio as small print."""
    found = cell.ratio
    return el("small", f" {words.factor(found['value'])} of the baseline, {found['verdict']}") \
        if found else None
