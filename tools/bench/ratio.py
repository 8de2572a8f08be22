# SPDX-License-Identifier: GPL-2.0
"""Ratios to the baseline, and what may be concluded from them.

Counts mostly repeat exactly, and are compared as they are. Counts that depend on timing are called different
only after as many repeats as times need, and with separate intervals.

On a noisy machine a time or rate means something only beside another taken right next to it. Each round
measures all stacks in turn; the ratio of a round is between neighbours in time, and the median over the rounds
is the result.

How sure that is, is said by the sign test, which asks nothing of the noise but that rounds are
independent: between the k-th smallest and the k-th largest of n ratios lies the true median with a
probability of 1 - 2 P(X < k), X being how often n coins show heads. The interval is the narrowest of
these with at least 95 %: all of 6 rounds (97 %), all but one on either side of 9 (96 %), all but two of
12 (96 %). So one odd round in nine decides nothing. A difference is called only if the whole
interval is on one side of 1; where there is none, that happens by chance in one comparison out of
25 to 30.
"""

import math
import statistics

#: Metrics that are counted. Less is better for all of them.
COUNTED = ("instr_driver_ring", "instr_guest", "kicks", "irqs", "exits", "lines_read", "lines_written", "memory")
#: Those that repeat so well that a single figure is believed.
_STEADY = ("instr_driver_ring", "lines_read", "lines_written", "memory")
#: Events, and the difference per operation below which they are the same.
EVENTS, EVENT = ("kicks", "irqs", "exits"), 0.01
#: The difference between repeats of one build.
TOLERANCE = 0.005

#: Below this many rounds nothing is called: no interval would have its 95 %.
ROUNDS = 6
#: The rounds of a full benchmark.
MANY = 9
#: The least probability of an interval.
SURE = 0.95
#: An interval wider than this is too wide to call a difference or its absence.
WIDE = 0.30

FASTER, SLOWER, SAME, WIDE_SPREAD = "better", "worse", "no difference", "too wide to call"


def called(found: dict) -> bool:
    """Returns whether a comparison says that one of the two is better."""
    return bool(found) and found["verdict"] in (FASTER, SLOWER)


def exact(ours: float, base: float, tolerance: float = 0) -> dict:
    """Compares two figures that need no repeats; less is better."""
    value = ours / base
    verdict = SAME if abs(value - 1) <= tolerance else FASTER if value < 1 else SLOWER
    return {"value": value, "low": value, "high": value, "samples": [value], "verdict": verdict}


def quotient(value: float, base: float) -> float:
    """Returns a figure in terms of another, which may be 0."""
    return value / base if base else math.inf if value else 1.0


def counted(result, base) -> dict:
    """Compares the counts of two results."""
    value = quotient(result.value, base.value)
    noise = max(result.spread or 0, base.spread or 0)
    single = result.metric not in _STEADY and min(len(result.samples), len(base.samples)) < 2
    few = result.metric in EVENTS and abs(result.value - base.value) < EVENT
    if few or (abs(value - 1) <= TOLERANCE and noise <= WIDE):
        verdict = SAME
    elif (noise > TOLERANCE or single) and not _separate(result.samples, base.samples):
        verdict = WIDE_SPREAD
    else:
        verdict = FASTER if value < 1 else SLOWER
    return {"value": value, "low": value * (1 - noise / 2), "high": value * (1 + noise / 2),
            "verdict": verdict}


def _separate(ours: list, theirs: list) -> bool:
    """Returns whether there are rounds enough, and the intervals of the two medians do not overlap."""
    if min(len(ours), len(theirs)) < ROUNDS:
        return False
    (low, high), (least, most) = interval(ours), interval(theirs)
    return low > most or high < least


def spread(samples: list) -> float:
    """Returns (max - min) / median, None for a single sample."""
    if len(samples) < 2:
        return None
    middle = statistics.median(samples)
    return (max(samples) - min(samples)) / middle if middle else None


def compare(ours: list, base: list, more_is_better: bool) -> dict:
    """Compares samples taken in the same rounds: `ours[i]` beside `base[i]`, None where missing.

    Returns None if there is no round with both.
    """
    ratios = [a / b for a, b in zip(ours, base) if a is not None and b]
    if not ratios:
        return None
    low, high = interval(ratios)
    middle = statistics.median(ratios)
    verdict = _verdict(low, high, middle, len(ratios), more_is_better)
    return {"value": middle, "low": low, "high": high, "samples": ratios, "verdict": verdict}


def interval(samples: list) -> tuple:
    """Returns the narrowest interval between samples that holds the true median for sure.

    With fewer than `ROUNDS` samples it is their range, which is less sure than that.
    """
    ordered = sorted(samples)
    last = len(ordered) - 1
    out = max((out for out in range(last // 2 + 1) if _sure(last + 1, out) >= SURE), default=0)
    return ordered[out], ordered[last - out]


def _sure(number: int, out: int) -> float:
    """Returns how sure the interval is that leaves `out` of `number` samples out on either side."""
    return 1 - 2 * sum(math.comb(number, heads) for heads in range(out + 1)) / 2 ** number


def _verdict(low: float, high: float, middle: float, rounds: int, more_is_better: bool) -> str:
    if rounds < ROUNDS:
        return WIDE_SPREAD
    if low > 1:
        return FASTER if more_is_better else SLOWER
    if high < 1:
        return SLOWER if more_is_better else FASTER
    return WIDE_SPREAD if high - low > WIDE * middle else SAME
