# SPDX-License-Identifier: GPL-2.0
"""Makes cells of what rounds have measured."""

import statistics
import time
from pathlib import Path

from ..say import warn
from . import ratio

#: Share of the CPUs' time, before the benchmark takes its own, above which the host counts as busy.
BUSY = 0.1
#: A distribution is drawn with at most this many points.
POINTS = 200


def baseline(stacks: list) -> str:
    """Returns the name of the stack that ratios are against, "" if it is not measured."""
    return next((stack.name for stack in stacks if (stack.driver, stack.ring) == ("c", "c")), "")


def rerun(bench, leg: str) -> str:
    """Returns the command that measures a leg again."""
    return bench.command if "LEGS=" in bench.command else f"{bench.command} LEGS={leg}"


def otherwise_busy() -> str:
    """Returns a sentence for the notes if the host has other work to do.

    To be asked while the benchmark itself does nothing; takes a second.
    """
    before = _cpu_times()
    time.sleep(1)
    share = busy_share(before, _cpu_times())
    if share < BUSY:
        return ""
    warn(f"the host is busy with other work ({100 * share:.0f} % of its CPUs): spreads will be wide")
    return f" The host was busy with other work ({100 * share:.0f} % of its CPUs) before it began."


def _cpu_times() -> list:
    return [int(field) for field in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]


def busy_share(before: list, after: list) -> float:
    """Returns how much of the CPUs' time went to anything, time stolen by a hypervisor included,
    between two first lines of /proc/stat."""
    # user, nice, system, idle, iowait, irq, softirq, steal; guests are part of user.
    spent = [late - early for early, late in zip(before[:8], after[:8])]
    return 1 - (spent[3] + spent[4]) / sum(spent) if sum(spent) > 0 else 0.0


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
