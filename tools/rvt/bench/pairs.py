# SPDX-License-Identifier: GPL-2.0
"""Makes cells of what rounds have measured."""

import os
import statistics

from ..say import warn
from . import ratio

#: Load per CPU, before the benchmark adds its own, above which the host counts as busy.
BUSY = 0.4
#: A distribution is drawn with at most this many points.
POINTS = 200


def baseline(stacks: list) -> str:
    """Returns the name of the stack that ratios are against, "" if it is not measured."""
    return next((stack.name for stack in stacks if (stack.driver, stack.ring) == ("c", "c")), "")


def rerun(bench, leg: str) -> str:
    """Returns the command that measures a leg again."""
    return bench.command if "LEGS=" in bench.command else f"{bench.command} LEGS={leg}"


def otherwise_busy() -> str:
    """Returns a sentence for the notes if the host has other work to do; to be asked beforehand."""
    load, cpus = os.getloadavg()[0], len(os.sched_getaffinity(0))
    if load < BUSY * cpus:
        return ""
    warn(f"the host is busy with other work (load {load:.1f} on {cpus} CPUs): spreads will be wide")
    return f" The host was busy with other work (load {load:.1f} on {cpus} CPUs)."


def fill(cell, samples: list, against: list = None, more_is_better: bool = True) -> None:
    """Sets value, spread, samples and ratio from the samples of each round (None: there is none).

    `against` are those of the baseline in the same rounds.
    """
    cell.samples = [sample for sample in samples if sample is not None]
    if not cell.samples:
        cell.note = f"No round gave a figure. {cell.note}".strip()
        return
    cell.value = statistics.median(cell.samples)
    cell.spread = ratio.spread(cell.samples)
    if len(cell.samples) < len(samples):
        cell.note = (f"{len(samples) - len(cell.samples)} of {len(samples)} rounds gave no figure. "
                     f"{cell.note}").strip()
    if against:
        cell.ratio = ratio.compare(samples, against, more_is_better)


def cdf(rounds: list, scale: float) -> list:
    """Returns the distribution over all rounds as a list of [value, fraction up to there].

    Each round is a map of values to counts, or None. Rounds weigh the same, however many
    operations they had time for.
    """
    weights = {}
    rounds = [bins for bins in rounds if bins]
    for bins in rounds:
        total = sum(bins.values()) * len(rounds)
        for value, count in bins.items():
            weights[float(value)] = weights.get(float(value), 0.0) + count / total
    points, sum_ = [], 0.0
    for value in sorted(weights):
        sum_ += weights[value]
        points.append([value * scale, round(sum_, 9)])
    return _thin(points) or None


def _thin(points: list) -> list:
    """Leaves points out where the curve is steep, so that it is the same to the eye."""
    kept = points[:1]
    for point in points[1:-1]:
        near_the_end = 1 - point[1] < 0.02
        if point[1] - kept[-1][1] >= 1 / POINTS or \
                near_the_end and 1 - point[1] <= 0.8 * (1 - kept[-1][1]):
            kept.append(point)
    return kept + points[-1:] if len(points) > 1 else kept
