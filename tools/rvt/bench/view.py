# SPDX-License-Identifier: GPL-2.0
"""A report as its readers see it: who is compared, and in which cases.

A case is everything that cells have in common but who did it: the same work, device, options and
metric. Nothing here knows the names of drivers, rings or workloads.
"""

import dataclasses
import json

from ..say import Failure
from . import stacks

#: What ratios are against; see cells.py.
BASELINE = ("c", "c")
#: The configuration that a figure stands for if nothing else is said.
USUAL = {"indirect": True, "event_idx": True, "iommu": False, "vcpus": 1, "queues": 1}
#: Parts of an operation, in the order in which a request passes through them.
LAYERS = ("driver", "ring", "transport", "kernel", "user")

#: For drivers and rings that no stack describes; distinct to colour-blind eyes too.
_COLORS = ("#009e73", "#cc79a7", "#56b4e9", "#8c6d00", "#7b4ba0", "#a03c3c", "#5f5f5f")


@dataclasses.dataclass(frozen=True)
class Who:
    """A driver on a ring, or whatever else is measured, as tables and charts show it."""

    driver: str
    ring: str
    label: str
    color: str

    @property
    def key(self) -> tuple:
        """Returns what cells are told apart by."""
        return (self.driver, self.ring)


@dataclasses.dataclass
class Case:
    """The cells that differ only in who did the work."""

    workload: str
    device: str
    layout: str
    accel: str
    metric: str
    options: dict
    #: (driver, ring) -> cell
    cells: dict
    #: Options (and "layout") that no other case of the same work and metric has otherwise.
    fixed: set = dataclasses.field(default_factory=set)

    @property
    def alone(self) -> bool:
        """Returns whether this is ring code alone, as a program on the host, without a driver."""
        return self.accel == "host" and self.metric != "memory"

    @property
    def unit(self) -> str:
        """Returns the unit of the figures."""
        return next((cell.unit for cell in self.cells.values() if cell.unit), "")

    def value(self, who) -> float:
        """Returns a figure, None if it was not measured."""
        cell = self.cells.get(who.key)
        return cell.value if cell else None

    def measured(self) -> bool:
        """Returns whether anyone has a figure."""
        return any(cell.value is not None for cell in self.cells.values())

    def unusual(self) -> int:
        """Returns by how many options the case differs from the usual configuration."""
        return len(self.unusuals())

    def setting(self) -> str:
        """Returns what is not usual about the case, e.g. "packed, indirect off, 4 vcpus"."""
        return ", ".join(text for _, text in self.unusuals())

    def unusuals(self) -> list:
        """Returns (option, text) of all that is not usual."""
        found = [("layout", self.layout)] if self.layout not in ("split", "") else []
        return found + [(name, option(name, value)) for name, value in self.options.items()
                        if name not in USUAL or USUAL[name] != value]

    def name(self) -> str:
        """Returns the workload with what tells the case from others of the same work.

        Guests are those of QEMU unless said otherwise.
        """
        told = [text for name, text in self.unusuals() if name not in self.fixed]
        if self.accel not in ("tcg", "kvm", "host", ""):
            told.append(self.accel)
        return self.workload + (f" ({', '.join(told)})" if told else "")


def common(cases: list) -> str:
    """Returns what is not usual about every one of some cases, as their names do not tell it."""
    every = [case.unusuals() for case in cases]
    return ", ".join(text for name, text in (every[0] if every else [])
                     if all((name, text) in others for others in every))


def option(name: str, value) -> str:
    """Returns an option in words."""
    if isinstance(value, bool):
        return f"{name.replace('_', '-')} {'on' if value else 'off'}"
    if isinstance(value, (int, float)):
        plain = name.removesuffix("s") if value == 1 else name
        return f"{value} {plain}"
    return f"{name} {value}"


class View:
    """A report, arranged for reading."""

    def __init__(self, report):
        self.report = report
        self.everyone = _everyone(report)
        self._by_key = {who.key: who for who in self.everyone}
        self.cases = _cases(report.cells)

    @property
    def baseline(self):
        """Returns who ratios are against, None if nobody measured it."""
        return self._by_key.get(BASELINE)

    def who(self, cell) -> Who:
        """Returns who a cell is of."""
        return self._by_key[(cell.driver, cell.ring)]

    def among(self, cases: list) -> list:
        """Returns who has a cell in any of the cases, in the order of the whole report."""
        present = {key for case in cases for key in case.cells}
        return [who for who in self.everyone if who.key in present]

    def of(self, *metrics, alone: bool = False) -> list:
        """Returns the cases of some metrics that have a figure, in the order of measurement.

        `alone` asks for ring code alone, which is among no others.
        """
        return [case for case in self.cases
                if case.metric in metrics and case.measured() and case.alone == alone]

    def by_kernel(self, cases: list) -> dict:
        """Returns kernel -> its headlines; the usual kernel, "", comes first."""
        groups = {}
        for case in cases:
            groups.setdefault(case.options.get("kernel", ""), []).append(case)
        return {kernel: self.headlines(groups[kernel]) for kernel in sorted(groups)}

    def headlines(self, cases: list) -> list:
        """Returns one case for each work, device, accelerator and quantity: the most usual one."""
        best = {}
        for case in cases:
            key = (case.workload, case.device, case.accel, case.metric, case.unit)
            if key not in best or case.unusual() < best[key].unusual():
                best[key] = case
        return list(best.values())


def _everyone(report) -> list:
    """Returns everyone with a cell: the stacks in their order, then the others as they come."""
    known = {}
    try:
        known = {(stack.driver, stack.ring): (stack.label, stack.color)
                 for stack in stacks.all_stacks()}
    except Failure:
        pass  # The names do as labels.
    told = {(stack.get("driver"), stack.get("ring")): (stack.get("label"), stack.get("color"))
            for stack in report.about.get("stacks", [])}
    present = list(dict.fromkeys((cell.driver, cell.ring) for cell in report.cells))
    order = [key for key in dict.fromkeys([BASELINE, *told, *known]) if key in present]
    found, spare = [], list(_COLORS)
    for key in [*order, *[key for key in present if key not in order]]:
        label, color = told.get(key) or known.get(key) or (None, None)
        if not color or color in [who.color for who in found]:
            color = spare[0]
            spare.append(spare.pop(0))
        found.append(Who(*key, label or " ".join(dict.fromkeys(p for p in key if p)), color))
    return found


def _cases(every: list) -> list:
    found = {}
    for cell in every:
        key = (cell.workload, cell.device, cell.layout, cell.accel, cell.metric,
               json.dumps(cell.options, sort_keys=True))
        case = found.setdefault(key, Case(*key[:5], cell.options, {}))
        case.cells[(cell.driver, cell.ring)] = cell
    _fix(list(found.values()))
    return list(found.values())


def _fix(cases: list) -> None:
    """Finds out which options tell no cases of the same work apart."""
    values = {}
    for case in cases:
        seen = values.setdefault((case.workload, case.metric, case.accel), {})
        for name, value in [("layout", case.layout), *case.options.items()]:
            seen.setdefault(name, set()).add(str(value))
    for case in cases:
        seen = values[(case.workload, case.metric, case.accel)]
        case.fixed = {name for name, found in seen.items() if len(found) == 1}
