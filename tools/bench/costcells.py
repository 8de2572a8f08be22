# SPDX-License-Identifier: GPL-2.0
"""The results of a counted operation: instructions, kicks and interrupts, with their repeats."""

import statistics

from . import ratio, samples, slopes
from .phases import FAILED, REFUSED
from .results import Result
from .stacks import BASELINE
from .variants import DEVICES

#: Only what is received by itself takes no kick.
_NO_KICKS = f"none of {', '.join(slopes.NOTIFY)} was called: the stack notifies in another way"


class Repeats:
    """The costs of one operation on one device for all stacks, round by round."""

    def __init__(self, bench, part: str, vcpus: int = 1, functions: bool = True):
        self._bench = bench
        self._part = part
        self._vcpus = vcpus
        self._functions = functions
        #: (work, device) -> stack name -> number of the round -> Cost.
        self._costs = {}
        self._failures = {}
        self._stacks = {}

    def take(self, boot, number: int) -> None:
        """Adds what a boot measured, as the round of that number."""
        for item in boot.items:
            key = (item.work, item.device)
            self._stacks[item.stack.name] = item.stack
            mine = self._costs.setdefault(key, {}).setdefault(item.stack.name, {})
            if not item.whole() or boot.symbols is None:
                why = item.failure or "the guest's symbols are missing"
                self._failures.setdefault((*key, item.stack.name), why)
                continue
            totals = [slopes.total(phase, irqs, boot.symbols) for phase, irqs in zip(item.phases, item.irqs)]
            mine[number] = slopes.cost(item.counts, totals, slopes.Layers(self._bench, item.stack))

    def costs(self, work, device, stack) -> list:
        """Returns the costs that were measured, of every round."""
        return list(self._costs.get((work, device), {}).get(stack.name, {}).values())

    def report(self, notes: dict = None) -> None:
        """Adds the results; `notes` has more to say of (work, device, stack name)."""
        for (work, device), found in self._costs.items():
            for name, rounds in found.items():
                if rounds:
                    note = (notes or {}).get((work, device, name), "")
                    self._report(work, device, name, rounds, found.get(BASELINE, {}), note)
                else:
                    self._add(work, device, name, "instr_driver_ring",
                              note=self._failures.get((work, device, name), "not measured"))

    def _report(self, work, device, name: str, rounds: dict, base: dict, note: str) -> None:
        """Adds the results of one stack."""
        for metric in slopes.UNITS:
            if metric == "instr_guest" and self._vcpus > 1:
                continue  # Mostly what the other processors were doing meanwhile.
            mine, theirs = ({number: cost.figure(metric) for number, cost in costs.items()}
                            for costs in (rounds, base))
            values = list(mine.values())
            value = statistics.median(values)
            if metric == "kicks" and not value and not work.silent:
                self._add(work, device, name, metric, note=_NO_KICKS)
                continue
            middle = min(rounds.values(), key=lambda cost, m=metric, v=value: abs(cost.figure(m) - v))
            said = [_doubts(list(rounds.values()), values), note] if metric == "instr_driver_ring" else []
            self._add(work, device, name, metric, value=value, samples=values, spread=ratio.spread(values),
                      breakdown=self._breakdown(middle, self._stacks[name], metric),
                      ratio=compare(metric, mine, theirs) if name != BASELINE else None,
                      note="; ".join(filter(None, said)))

    def _add(self, work, device, name: str, metric: str, **values) -> None:
        """Adds one result, unless another part has looked at the same more closely."""
        report = self._bench.report
        made = samples.result(self._bench, self._part, self._stacks[name], work.name, metric, slopes.UNITS[metric],
                              **about(work, device, self._vcpus, report), **values)
        if self._functions or not any(len(other.samples) > len(made.samples) for other in report.results
                                      if other.key() == made.key()):
            report.add(made)

    def _breakdown(self, cost, stack, metric: str) -> list:
        """Returns what makes up a figure, in as much detail as this part goes into."""
        layers = slopes.Layers(self._bench, stack)
        if metric == "instr_driver_ring":
            return (slopes.by_function if self._functions else slopes.by_module)(cost, layers)
        return slopes.by_dear_function(cost, layers) if metric == "instr_guest" and self._functions else []


def about(work, device, vcpus: int, report) -> dict:
    """Returns the fields of a result that tell the work and the device."""
    options = {**device.variant.options(), "vcpus": vcpus, "queues": vcpus if work.kind == "blk" else 1,
               **dict(work.options), **report.common}
    return {"device": DEVICES[work.kind], "layout": device.variant.layout, "accel": "tcg", "options": options}


def explain(bench, items: list, vcpus: int = 1) -> None:
    """Reports why items were not measured: what drivers do not do, and what went wrong.

    That a guest ended before it got to them is one problem, not one of each item.
    """
    for item in items:
        what = f"{item.work.name}, {item.stack.label}, {item.device.variant.title()}, {vcpus} vCPU"
        if item.state == REFUSED:
            bench.report.skip(what, item.failure)
        elif item.state == FAILED:
            bench.report.problem(what, item.failure)


def _doubts(costs: list, values: list) -> str:
    """Returns what makes a figure doubtful, "" if nothing does."""
    bent = [cost for cost in costs if not cost.straight()]
    if bent:
        return (f"not a straight line: {bent[0].driver_ring:,.1f} from N to 2N operations, "
                f"{bent[0].again:,.1f} from 2N to 3N")
    spread = ratio.spread(values)
    return f"repeats differ by {100 * spread:.1f} %: too wide to call" if (spread or 0) > ratio.TOLERANCE else ""


def compare(metric: str, ours: dict, base: dict) -> dict:
    """Compares counts by round, as results have it; the verdict is that of the report (ratio.py)."""
    ratios = [ours[number] / base[number] for number in ours if base.get(number)]
    if not ratios:
        return None
    found = ratio.counted(_counts(metric, ours), _counts(metric, base))
    return {"value": statistics.median(ratios), "low": min(ratios), "high": max(ratios), "samples": ratios,
            "verdict": found["verdict"]}


def _counts(metric: str, rounds: dict) -> Result:
    """Returns as much of a result as a comparison takes."""
    values = list(rounds.values())
    return Result("", "", "", "", "", "tcg", metric, statistics.median(values), spread=ratio.spread(values),
                samples=values)
