# SPDX-License-Identifier: GPL-2.0
"""Ratios of paired measurements, and what may be concluded from them.

On a noisy machine a figure means something only beside another taken right next to it. Each round
measures all stacks in turn; the ratio of a round is between neighbours in time, and the median
over the rounds is the result. Between the smallest and the largest ratio of n rounds lies the true
median with a probability of 1 - 2^(1-n): 97 % with 6 rounds. A difference is called only if that
whole interval is on one side of 1.
"""

import statistics

#: Below this many rounds nothing is called.
ROUNDS = 6
#: An interval wider than this is too wide to call a difference or its absence.
WIDE = 0.30

FASTER, SLOWER, SAME, WIDE_SPREAD = "better", "worse", "no difference", "too wide to call"


def spread(samples: list) -> float:
    """Returns (max - min) / median, None for a single sample."""
    if len(samples) < 2:
        return None
    middle = statistics.median(samples)
    return (max(samples) - min(samples)) / middle if middle else None


def compare(ours: list, base: list, more_is_better: bool) -> dict:
    """Compares samples taken in the same rounds: `ours[i]` beside `base[i]`."""
    pairs = [(a, b) for a, b in zip(ours, base) if a is not None and b]
    ratios = [a / b for a, b in pairs]
    if not ratios:
        return None
    low, high = min(ratios), max(ratios)
    middle = statistics.median(ratios)
    verdict = _verdict(low, high, middle, len(ratios), more_is_better)
    return {"value": middle, "low": low, "high": high, "samples": ratios, "verdict": verdict}


def _verdict(low: float, high: float, middle: float, rounds: int, more_is_better: bool) -> str:
    if rounds < ROUNDS:
        return WIDE_SPREAD
    if low > 1:
        return FASTER if more_is_better else SLOWER
    if high < 1:
        return SLOWER if more_is_better else FASTER
    return WIDE_SPREAD if high - low > WIDE * middle else SAME
