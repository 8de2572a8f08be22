# SPDX-License-Identifier: GPL-2.0
"""The cells of a counted operation: instructions, kicks and interrupts, with their repeats."""

import statistics

from . import ratio, slopes
from .cells import Cell
from .phases import FAILED, REFUSED
from .variants import DEVICES

#: What is counted, with its unit.
_METRICS = {"instr_driver_ring": "instructions/op", "instr_guest": "instructions/op",
            "kicks": "kicks/op", "irqs": "interrupts/op"}
#: Only what is received by itself takes no kick.
_NO_KICKS = f"none of {', '.join(slopes.NOTIFY)} was called: the stack notifies in another way"
#: The stack that others are compared with.
_BASE = ("c", "c")


def figure(cost, metric: str) -> float:
    """Returns one metric of a `slopes.Cost`."""
    return {"instr_driver_ring": cost.driver_ring, "instr_guest": cost.guest,
            "kicks": cost.kicks, "irqs": cost.irqs}[metric]


class Repeats:
    """The costs of one operation on one device for all stacks, round by round."""

    def __init__(self, bench, leg: str, vcpus: int = 1, functions: bool = True):
        self._bench = bench
        self._leg = leg
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
            layers = slopes.Layers(self._bench, item.stack)
            totals = [slopes.total(phase, irqs, boot.symbols)
                      for phase, irqs in zip(item.phases, item.irqs)]
            mine[number] = slopes.cost(item.counts, totals, layers)

    def costs(self, work, device, stack) -> list:
        """Returns the costs that were measured, of every round."""
        return list(self._costs.get((work, device), {}).get(stack.name, {}).values())

    def report(self, notes: dict = None) -> None:
        """Adds the cells; `notes` has more to say of (work, device, stack name)."""
        for (work, device), found in self._costs.items():
            for name, rounds in found.items():
                note = (notes or {}).get((work, device, name), "")
                self._report(work, device, name, rounds, found, note)

    def _report(self, work, device, name: str, rounds: dict, everyone: dict, note: str) -> None:
        """Adds the cells of one stack."""
        stack = self._stacks[name]
        if not rounds:
            why = self._failures.get((work, device, name), "not measured")
            self._add(work, device, stack, "instr_driver_ring", note=why)
            return
        base = everyone.get("-".join(_BASE), {})
        for metric in _METRICS:
            if metric == "instr_guest" and self._vcpus > 1:
                continue  # Mostly what the other processors were doing meanwhile.
            samples = [figure(cost, metric) for cost in rounds.values()]
            value = statistics.median(samples)
            if metric == "kicks" and not value and work.verb != "feed":
                self._add(work, device, stack, metric, note=_NO_KICKS)
                continue
            middle = min(rounds.values(), key=lambda cost, m=metric, v=value: abs(figure(cost, m) - v))
            said = [_doubts(list(rounds.values()), samples), note] \
                if metric == "instr_driver_ring" else []
            against = compare(metric, _figures(rounds, metric), _figures(base, metric)) \
                if (stack.driver, stack.ring) != _BASE else None
            self._add(work, device, stack, metric, value=value, samples=samples,
                      spread=ratio.spread(samples), parts=self._parts(middle, stack, metric),
                      ratio=against, note="; ".join(text for text in said if text))

    def _add(self, work, device, stack, metric: str, **values) -> None:
        """Adds one cell, unless another leg has looked at the same more closely."""
        options = {**device.variant.options(), "vcpus": self._vcpus,
                   "queues": self._vcpus if work.kind == "blk" else 1, **self._bench.report.common}
        cell = Cell(work.name, DEVICES[work.kind], stack.driver, stack.ring, device.variant.layout,
                    "tcg", metric, unit=_METRICS[metric], options=options,
                    command=command(self._bench, self._leg), **values)
        there = [other for other in self._bench.report.cells if other.key() == cell.key()]
        if self._functions or not any(len(other.samples) > len(cell.samples) for other in there):
            self._bench.report.add(cell)

    def _parts(self, cost, stack, metric: str) -> list:
        """Returns what makes up a figure, in as much detail as this leg goes into."""
        layers = slopes.Layers(self._bench, stack)
        if metric == "instr_driver_ring":
            return slopes.by_function(cost, layers) if self._functions else \
                [part for part in slopes.by_module(cost, layers) if layers.counts(part["module"])]
        if metric == "instr_guest" and self._functions:
            return slopes.by_dear_function(cost, layers)
        return []


def _figures(rounds: dict, metric: str) -> dict:
    """Returns one metric by round."""
    return {number: figure(cost, metric) for number, cost in rounds.items()}


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


def command(bench, leg: str) -> str:
    """Returns how to get the figures of a leg again."""
    return bench.command if "LEGS=" in bench.command else f"{bench.command} LEGS={leg}"


def _doubts(costs: list, samples: list) -> str:
    """Returns what makes a figure doubtful, "" if nothing does."""
    bent = [cost for cost in costs if not cost.straight()]
    if bent:
        return (f"not a straight line: {bent[0].driver_ring:,.1f} from N to 2N operations, "
                f"{bent[0].again:,.1f} from 2N to 3N")
    spread = ratio.spread(samples)
    if spread is not None and spread > slopes.EXACT:
        return f"repeats differ by {100 * spread:.1f} %: too wide to call"
    return ""


def compare(metric: str, ours: dict, base: dict) -> dict:
    """Compares counts by round, as cells have it; the verdict is that of the report (ratio.py)."""
    ratios = [ours[number] / base[number] for number in ours if base.get(number)]
    if not ratios:
        return None
    found = ratio.counted(_counts(metric, ours), _counts(metric, base))
    return {"value": statistics.median(ratios), "low": min(ratios), "high": max(ratios),
            "samples": ratios, "verdict": found["verdict"]}


def _counts(metric: str, rounds: dict) -> Cell:
    """Returns as much of a cell as a judgement takes."""
    samples = list(rounds.values())
    return Cell("", "", "", "", "", "tcg", metric, statistics.median(samples),
                spread=ratio.spread(samples), samples=samples)
