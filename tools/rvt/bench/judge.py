# SPDX-License-Identifier: GPL-2.0
"""Which of two is better, for every kind of figure.

Counts (instructions, kicks, interrupts, exits, bytes) mostly repeat exactly, and are then held
against each other as they are. Where they depend on timing and repeats differ, it takes as many
repeats as it takes for times, and the interval of the one has to be off that of the other. Times
and rates mean something only beside the baseline of the same rounds, so for them the verdict is
that of ratio.py.
"""

import dataclasses

from . import ratio
from .cells import METRICS
from .view import BASELINE

#: Metrics that are counted. Less is better for all of them.
COUNTED = ("instr_driver_ring", "instr_guest", "kicks", "irqs", "exits", "memory")
#: Those that repeat so well that a single figure is believed.
_STEADY = ("instr_driver_ring", "memory")
#: Those that mean something only in comparison.
RATED = tuple(metric for metric in METRICS if metric not in COUNTED)
#: Metrics of which more is better.
MORE = ("throughput",)

#: What repeats of one build may differ by.
TOLERANCE = 0.005
#: Differences of events (kicks, interrupts, exits) per operation below this are not worth a word.
EVENT = 0.01


@dataclasses.dataclass
class Judgement:
    """How someone compares with the baseline; more than 1 means more of the metric."""

    value: float
    low: float
    high: float
    verdict: str

    @property
    def called(self) -> bool:
        """Returns whether one of the two is better."""
        return self.verdict in (ratio.FASTER, ratio.SLOWER)


def judge(case, who):
    """Compares someone with the baseline; None if that cannot be done.

    Ring code alone has a baseline of its own, and comes with its verdicts.
    """
    cell, base = case.cells.get(who.key), case.cells.get(BASELINE)
    if who.key == BASELINE or cell is None or cell.value is None:
        return None
    if case.metric not in COUNTED or case.alone:
        found = cell.ratio
        return Judgement(found["value"], found["low"], found["high"], found["verdict"]) \
            if found else None
    if base is None or base.value is None or rate(case):
        return None
    return counted(cell, base)


def rate(case) -> bool:
    """Returns whether a count is per second: more of it may only mean that more was done."""
    return case.metric != "memory" and case.unit.endswith("/s")


def counted(cell, base) -> Judgement:
    """Compares two counts."""
    value = _quotient(cell.value, base.value)
    noise = max(cell.spread or 0, base.spread or 0)
    apart = abs(value - 1)
    small = cell.metric in ("kicks", "irqs", "exits") and abs(cell.value - base.value) < EVENT
    if small or (apart <= TOLERANCE and noise <= ratio.WIDE):
        verdict = ratio.SAME
    elif (noise > TOLERANCE or _alone(cell, base)) and not _distinct(cell.samples, base.samples):
        verdict = ratio.WIDE_SPREAD
    else:
        verdict = ratio.FASTER if value < 1 else ratio.SLOWER
    return Judgement(value, value * (1 - noise / 2), value * (1 + noise / 2), verdict)


def _alone(cell, base) -> bool:
    """Returns whether nobody knows if the counts repeat."""
    return cell.metric not in _STEADY and min(len(cell.samples), len(base.samples)) < 2


def _distinct(ours: list, theirs: list) -> bool:
    """Returns whether the medians of two noisy samples are surely different."""
    if min(len(ours), len(theirs)) < ratio.ROUNDS:
        return False
    (low, high), (least, most) = ratio.interval(ours), ratio.interval(theirs)
    return low > most or high < least


def _quotient(value: float, base: float) -> float:
    if base:
        return value / base
    return float("inf") if value else 1.0
