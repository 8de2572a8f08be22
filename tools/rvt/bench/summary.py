# SPDX-License-Identifier: GPL-2.0
"""What a report comes down to, in words made from its cells."""

import dataclasses
import math

from . import judge, ratio, words

#: The metrics of what an operation costs, the steering one first.
COST = ("instr_driver_ring", "instr_guest", "kicks", "irqs", "exits")
#: In the order in which they are told: what is steered by, what users notice, the rest.
_ORDER = ("instr_driver_ring", "time_driver_ring", "throughput", "latency_p50", "latency_p99",
          "time_host", "kicks", "irqs", "exits", "instr_guest", "memory")


@dataclasses.dataclass
class Finding:
    """One comparison with the baseline."""

    case: object
    who: object
    judgement: judge.Judgement

    @property
    def size(self) -> float:
        """Returns how far from equal it is, the same for half and for twice."""
        value = self.judgement.value
        return abs(math.log(value)) if 0 < value < math.inf else math.inf

    def text(self, baseline) -> str:
        """Returns the finding as a line."""
        found, case = self.judgement, self.case
        where = case.name()
        if case.metric != "memory":
            where += f", {words.metric(case.metric)}"
        if case.metric in judge.COUNTED:
            unit = case.unit.partition("/")[0] if case.metric == "memory" else ""
            ours = words.figure(case.value(self.who), unit)
            theirs = words.figure(case.value(baseline), unit)
            return f"{where}: {ours} against {theirs} ({words.change(found.value)})"
        return (f"{where}: {words.change(found.value)} "
                f"({words.change(found.low)} to {words.change(found.high)})")


def findings(view, who) -> list:
    """Returns everything that is known of someone against the baseline, by metric and size.

    Counts are those of the usual configuration: the others are the matrix. Times and rates count
    wherever they were taken.
    """
    cases = view.headlines(view.of(*judge.COUNTED)) + view.of(*judge.RATED)
    made = [Finding(case, who, found) for case in cases for found in [judge.judge(case, who)]
            if found]
    return sorted(made, key=lambda one: (_rank(one.case.metric), -one.size))


def _rank(metric: str) -> int:
    return _ORDER.index(metric) if metric in _ORDER else len(_ORDER)


def by_verdict(found: list) -> dict:
    """Returns verdict -> findings, with every verdict there."""
    return {verdict: [one for one in found if one.judgement.verdict == verdict]
            for verdict in (ratio.FASTER, ratio.SLOWER, ratio.SAME, ratio.WIDE_SPREAD)}


def rivals(view) -> list:
    """Returns every virtio driver that can be held against the baseline."""
    return [who for who in view.everyone if view.baseline and who.ring
            and any(judge.judge(case, who) for case in view.cases if not case.alone)]


def score(who, found: list) -> str:
    """Returns how often someone came out how, as a sentence."""
    count = {verdict: len(ones) for verdict, ones in by_verdict(found).items()}
    return (f"{who.label}: better in {count[ratio.FASTER]}, worse in {count[ratio.SLOWER]}, no "
            f"difference in {count[ratio.SAME]}, too wide to call in {count[ratio.WIDE_SPREAD]} of "
            f"{len(found)} comparisons.")


def headline(view, who) -> str:
    """Returns a sentence on the steering figure of each operation, "" if there is none."""
    said = {}
    for case in view.headlines(view.of(COST[0])):
        found = judge.judge(case, who)
        if found:
            change = "" if found.verdict == ratio.SAME else f" ({words.change(found.value)})"
            said.setdefault(found.verdict, []).append(case.name() + change)
    clauses = [f"{how} instructions for {words.join(said[verdict])}" for verdict, how in (
        (ratio.SLOWER, "more"), (ratio.FASTER, "fewer"), (ratio.SAME, "as many"),
        (ratio.WIDE_SPREAD, "too uncertain a number of")) if verdict in said]
    return (f"Beside {view.baseline.label}, it executes " + ", ".join(clauses[:-1] + [
        ("and " if clauses[1:] else "") + clauses[-1]]) + ".") if clauses else ""


def matrix(view, who) -> list:
    """Returns a sentence for each work that was measured in several configurations."""
    lines = []
    groups = {}
    for case in view.of(COST[0]):
        groups.setdefault((case.workload, case.device, case.accel), []).append(case)
    for (workload, _, _), cases in groups.items():
        found = [one for one in (judge.judge(case, who) for case in cases) if one]
        if len(found) < 2:
            continue
        better = [one for one in found if one.verdict == ratio.FASTER]
        worse = [one for one in found if one.verdict == ratio.SLOWER]
        lines.append(f"{workload} in {len(found)} configurations: {who.label} is cheaper in "
                     f"{len(better)}, {view.baseline.label} in {len(worse)} ({_span(found)}).")
    return lines


def alone(view) -> list:
    """Returns a sentence for each library and unit of ring code alone."""
    groups = {}
    for case in view.of(*judge.RATED, *judge.COUNTED, alone=True):
        bases = [who.label for who in view.among([case]) if not judge.judge(case, who)]
        for who in view.among([case]):
            found = judge.judge(case, who)
            if found and len(bases) == 1:
                groups.setdefault((case.unit, who.label, bases[0]), []).append(found)
    lines = []
    for (unit, name, base), found in groups.items():
        better, worse = ([one for one in found if one.verdict == verdict]
                         for verdict in (ratio.FASTER, ratio.SLOWER))
        lines.append(f"{unit}: {name} is better than {base} in {len(better)}, worse in "
                     f"{len(worse)} of {len(found)} ({_span(found)}).")
    return lines


def _span(found: list) -> str:
    """Returns from where to where judgements go."""
    values = [one.value for one in found]
    ends = dict.fromkeys([words.change(min(values)), words.change(max(values))])
    return " to ".join(ends)


def missing(report) -> dict:
    """Returns reason -> what has no figure for it: left out, failed, or empty."""
    found = {}
    for item in [*report.problems, *report.skipped]:
        found.setdefault(item["why"], []).append(item["what"])
    for cell in report.cells:
        if cell.value is None:
            found.setdefault(cell.note or "no reason was given", []).append(cell.title())
    return found
