# SPDX-License-Identifier: GPL-2.0
"""The summary of a report, in words made from its results."""

import math

from .. import ratio
from . import words
from .model import RATED

#: The figure to steer by.
MAIN = "instr_driver_ring"
#: In the order in which they are told: what is steered by, what users notice, the rest.
_ORDER = (MAIN, "time_driver_ring", "throughput", "latency_p50", "latency_p99", "time_host", "kicks",
          "irqs", "exits", "lines_read", "lines_written", "instr_guest", "memory")
VERDICTS = (ratio.FASTER, ratio.SLOWER, ratio.SAME, ratio.WIDE_SPREAD)


def findings(model, subject) -> dict:
    """Returns verdict -> (case, comparison with the baseline), by metric and size.

    Counts are those of the usual configuration. Times and rates count wherever they were taken.
    """
    cases = model.headlines(model.of(*ratio.COUNTED)) + model.of(*RATED)
    found = [(case, case.against(subject)) for case in cases if case.against(subject)]
    found.sort(key=lambda one: (_ORDER.index(one[0].metric), -_size(one[1]["value"])))
    return {verdict: [one for one in found if one[1]["verdict"] == verdict] for verdict in VERDICTS}


def _size(value: float) -> float:
    """Returns how far from equal a ratio is, the same for half and for twice."""
    return abs(math.log(value)) if 0 < value < math.inf else math.inf


def text(model, subject, case, found) -> str:
    """Returns a comparison with the baseline as a line."""
    where = case.name() if case.metric == "memory" else case.title()
    if case.metric not in ratio.COUNTED:
        return f"{where}: {words.change(found['value'])} ({span([found['low'], found['high']])})"
    unit = case.unit.partition("/")[0] if case.metric == "memory" else ""
    ours, theirs = (words.figure(case.value(one), unit) for one in (subject, model.baseline))
    return f"{where}: {ours} against {theirs} ({words.change(found['value'])})"


def span(values: list) -> str:
    """Returns the range of some ratios."""
    return " to ".join(dict.fromkeys([words.change(min(values)), words.change(max(values))]))


def rivals(model) -> list:
    """Returns every virtio driver that can be compared with the baseline."""
    cases = [case for case in model.cases if not case.alone]
    return [subject for subject in model.rivals(cases) if model.baseline and subject.ring]


def score(subject, found: dict) -> str:
    """Returns how often each verdict came out, as a sentence."""
    better, worse, same, wide = (len(found[verdict]) for verdict in VERDICTS)
    return (f"{subject.label}: better in {better}, worse in {worse}, no difference in {same}, too wide to call in "
            f"{wide} of {better + worse + same + wide} comparisons.")


def configurations(model, subject) -> list:
    """Returns a sentence for each work that was measured in several configurations."""
    lines = []
    for cases in model.several(MAIN):
        found = [one for one in (case.against(subject) for case in cases) if one]
        if len(found) > 1:
            better, worse = _count(found)
            lines.append(f"{cases[0].workload} in {len(found)} configurations: {subject.label} is cheaper in "
                         f"{better}, {model.baseline.label} in {worse} ({_span(found)}).")
    return lines


def alone(model) -> list:
    """Returns a sentence for each library and unit of ring code alone."""
    groups = {}
    for case in model.alone():
        subjects = model.among([case])
        bases = [subject.label for subject in subjects if not case.against(subject)]
        for subject in subjects:
            if case.against(subject) and len(bases) == 1:
                groups.setdefault((case.unit, subject.label, bases[0]), []).append(case.against(subject))
    return [f"{unit}: {name} is better than {base} in {_count(found)[0]}, worse in {_count(found)[1]} of "
            f"{len(found)} ({_span(found)})." for (unit, name, base), found in groups.items()]


def _count(found: list) -> tuple:
    verdicts = [one["verdict"] for one in found]
    return verdicts.count(ratio.FASTER), verdicts.count(ratio.SLOWER)


def _span(found: list) -> str:
    return span([one["value"] for one in found])


def missing(report) -> dict:
    """Returns reason -> what has no figure for it: left out, failed, or empty; the most frequent one first."""
    found = {}
    for item in [*report.problems, *report.skipped]:
        found.setdefault(item["why"], []).append(item["what"])
    for why, names in empty(report).items():
        found.setdefault(why, []).extend(names)
    return dict(sorted(found.items(), key=lambda item: -len(item[1])))


def empty(report) -> dict:
    """Returns reason -> results without a figure."""
    found = {}
    for result in report.results:
        if result.value is None:
            found.setdefault(result.note or "no reason was given", []).append(result.title())
    return found
