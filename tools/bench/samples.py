# SPDX-License-Identifier: GPL-2.0
"""Makes results of the samples that rounds have taken."""

import collections
import statistics
import time
from pathlib import Path

from harness.guest import accel
from harness.say import warn
from harness.uml import fio

from . import ratio
from .results import Result
from .stacks import BASELINE

#: Share of the CPUs' time, before the benchmark takes its own, above which the host counts as busy.
BUSY = 0.1


def result(bench, part: str, stack, workload: str, metric: str, unit: str, **more) -> Result:
    """Returns a result of a stack without a figure yet; `more` are other fields."""
    again = bench.command if "LEGS=" in bench.command else f"{bench.command} LEGS={part}"
    return Result(**{"workload": workload, "device": "", "driver": stack.driver, "ring": stack.ring,
                     "layout": "split", "accel": accel.chosen(), "metric": metric, "unit": unit,
                     "command": again, **more})


def add(report, stacks: list, samples: dict, make, more_is_better: bool = False) -> None:
    """Adds a result for each stack, as `make(stack)` returns it, with the figure and its ratio to the baseline.

    `samples` is the stack's name -> a sample of each round (None: there is none).
    """
    for stack in stacks:
        made = make(stack)
        fill(made, samples[stack.name], None if stack.name == BASELINE else samples.get(BASELINE), more_is_better)
        report.add(made)


def known(values: list) -> list:
    """Returns the values of the rounds that gave one."""
    return [value for value in values if value is not None]


def fill(made: Result, samples: list, against: list = None, more_is_better: bool = False) -> None:
    """Sets value, spread, samples and ratio; `against` are the samples of the baseline in the same rounds."""
    made.samples = known(samples)
    if not made.samples:
        made.note = f"No round gave a figure. {made.note}".strip()
        return
    made.value, made.spread = statistics.median(made.samples), ratio.spread(made.samples)
    if len(made.samples) < len(samples):
        absent = len(samples) - len(made.samples)
        made.note = f"{absent} of {len(samples)} rounds gave no figure. {made.note}".strip()
    if against:
        made.ratio = ratio.compare(samples, against, more_is_better)


def distribution(rounds: list) -> list:
    """Returns the distribution of latencies over all rounds, each a map of nanoseconds to counts, or None."""
    bins = collections.Counter()
    for found in filter(None, rounds):
        bins.update({float(value): count for value, count in found.items()})
    return fio.distribution(bins) or None


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
