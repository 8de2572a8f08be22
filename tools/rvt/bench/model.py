# SPDX-License-Identifier: GPL-2.0
"""A report arranged for reading: who is compared, in which cases, and which of two is better.

A case is everything that cells have in common except the driver and ring: the same work, device, options
and metric. Nothing here knows the names of drivers, rings or workloads.
"""

import dataclasses
import json

from ..say import Failure
from . import ratio, stacks, words
from .cells import METRICS

#: The driver and ring that ratios are against.
BASELINE = ("c", "c")
#: The configuration of a figure if nothing else is said.
USUAL = {"indirect": True, "event_idx": True, "iommu": False, "vcpus": 1, "queues": 1}
#: Metrics that mean something only in comparison, and those of which more is better.
RATED = tuple(metric for metric in METRICS if metric not in ratio.COUNTED)
MORE = ("throughput",)
#: A published comparison of an emulated e1000 with virtio-net under KVM on real hardware, with a
#: TCP stream: metric -> (e1000, virtio-net). It is a scale only.
PUBLISHED = {"throughput": (239, 5230), "exits": (33783, 1126), "irqs": (3667, 257)}
#: Parts of an operation, in the order in which a request passes through them.
LAYERS = ("driver", "ring", "transport", "kernel", "user")
#: Colours for drivers and rings that no stack describes; distinct to colour-blind eyes too.
_COLORS = ("#009e73", "#cc79a7", "#56b4e9", "#8c6d00", "#7b4ba0", "#a03c3c", "#5f5f5f")


@dataclasses.dataclass(frozen=True)
class Subject:
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
    """The cells that differ only in driver and ring."""

    workload: str
    device: str
    layout: str
    accel: str
    metric: str
    options: dict
    #: (driver, ring) -> cell
    cells: dict = dataclasses.field(default_factory=dict)
    #: Options (and "layout") that are the same in every case of this work and metric.
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

    @property
    def measured(self) -> bool:
        """Returns whether anyone has a figure."""
        return any(cell.value is not None for cell in self.cells.values())

    def against(self, who) -> dict:
        """Returns the ratio to the baseline and the verdict; None if they cannot be compared.

        Ring code alone has a baseline of its own, and comes with its verdicts.
        """
        cell, base = self.cells.get(who.key), self.cells.get(BASELINE)
        if who.key == BASELINE or cell is None or cell.value is None:
            return None
        if self.metric not in ratio.COUNTED or self.alone:
            return cell.ratio
        if base is None or base.value is None or per_second(cell):
            return None
        return ratio.counted(cell, base)

    def unusual(self) -> list:
        """Returns (option, text) of all that is not usual."""
        found = [("layout", self.layout)] if self.layout not in ("split", "") else []
        return found + [(name, option(name, value)) for name, value in self.options.items()
                        if name not in USUAL or USUAL[name] != value]

    def name(self) -> str:
        """Returns the workload with what tells the case from others of the same work.

        Guests are those of QEMU unless said otherwise.
        """
        told = [text for name, text in self.unusual() if name not in self.fixed]
        if self.accel not in ("tcg", "kvm", "host", ""):
            told.append(self.accel)
        return self.workload + (f" ({', '.join(told)})" if told else "")

    def title(self) -> str:
        """Returns the name and the metric."""
        return f"{self.name()}, {words.metric(self.metric)}"

    def quantity(self) -> str:
        """Returns what is counted or measured, with its unit."""
        return self.unit if "/" in self.unit and self.metric in ratio.COUNTED else \
            f"{words.metric(self.metric)}, {self.unit}"

    def published(self) -> list:
        """Returns the published figures of the emulated and the virtio card, None if there are none."""
        found = PUBLISHED.get(self.metric, (None, None))
        if self.metric in PUBLISHED and self.unit.endswith("/MB"):
            return [value / (rate / 8) for value, rate in zip(found, PUBLISHED["throughput"])]
        return list(found)

    @property
    def parts(self) -> dict:
        """Returns (driver, ring) -> what the figure consists of, dearest first."""
        found = {key: sorted((part for part in cell.parts if part.get("value")), key=lambda part: -part["value"])
                 for key, cell in self.cells.items()}
        return {key: parts for key, parts in found.items() if parts}

    def layers(self, who) -> dict:
        """Returns layer -> value of a figure."""
        total = {}
        for part in self.cells[who.key].parts:
            layer = part.get("layer", "")
            total[layer] = total.get(layer, 0) + part["value"]
        return total


def layers(cases: list) -> list:
    """Returns the layers that the figures are made of, in the order of a request."""
    found = {part.get("layer", "") for case in cases for parts in case.parts.values() for part in parts}
    return [*filter(found.__contains__, LAYERS), *sorted(found - set(LAYERS))]


def per_second(cell) -> bool:
    """Returns whether a count is per second: more of it may only mean that more was done."""
    return cell.metric != "memory" and cell.unit.endswith("/s")


def common(cases: list) -> str:
    """Returns what is not usual about every one of some cases, as their names do not tell it."""
    every = [case.unusual() for case in cases]
    return ", ".join(text for name, text in (every[0] if every else [])
                     if all((name, text) in others for others in every))


def option(name: str, value) -> str:
    """Returns an option in words."""
    if isinstance(value, bool):
        return f"{name.replace('_', '-')} {'on' if value else 'off'}"
    if isinstance(value, (int, float)):
        return f"{value} {name.removesuffix('s') if value == 1 else name}"
    return f"{name} {value}"


class Model:
    """A report, arranged for reading."""

    def __init__(self, report):
        self.report = report
        self.subjects = _subjects(report)
        self._by_key = {who.key: who for who in self.subjects}
        self.cases = _cases(report.cells)
        #: Works that took part on some device that is not a virtio one.
        self._emulated = {case.workload for case in self.cases if case.accel in ("tcg", "kvm")
                          and case.device and not case.device.startswith("virtio")}

    @property
    def baseline(self):
        """Returns who ratios are against, None if nobody measured it."""
        return self._by_key.get(BASELINE)

    def label(self, cell) -> str:
        """Returns who a cell is of."""
        return self._by_key[(cell.driver, cell.ring)].label

    def among(self, cases: list) -> list:
        """Returns who has a cell in any of the cases, in the order of the whole report."""
        present = {key for case in cases for key in case.cells}
        return [who for who in self.subjects if who.key in present]

    def of(self, *metrics) -> list:
        """Returns the cases of some metrics that have a figure, without those of ring code alone."""
        return [case for case in self.cases
                if case.metric in metrics and not case.alone and case.measured]

    def alone(self) -> list:
        """Returns the cases of ring code alone that have a figure."""
        return [case for case in self.cases if case.alone and case.measured]

    def rivals(self, cases: list) -> list:
        """Returns everyone who is compared with the baseline in one of the cases."""
        return [who for who in self.subjects if any(case.against(who) for case in cases)]

    def by_kernel(self, cases: list) -> dict:
        """Returns kernel -> its headlines; the usual kernel, "", comes first."""
        groups = {}
        for case in cases:
            groups.setdefault(case.options.get("kernel", ""), []).append(case)
        return {kernel: self.headlines(groups[kernel]) for kernel in sorted(groups)}

    @staticmethod
    def headlines(cases: list) -> list:
        """Returns one case for each work, device, accelerator and quantity: the most usual one."""
        best = {}
        for case in cases:
            key = (case.workload, case.device, case.accel, case.metric, case.unit)
            if key not in best or len(case.unusual()) < len(best[key].unusual()):
                best[key] = case
        return list(best.values())

    def emulated(self, case) -> bool:
        """Returns whether a case is one of the comparison of an emulated card with virtio."""
        return case.workload in self._emulated and case.accel in ("tcg", "kvm") and case.metric != "memory"

    def classic(self) -> list:
        """Returns the cases that compare an emulated card with virtio, each with all cards in one."""
        rows = {}
        for case in filter(self.emulated, self.cases):
            row = rows.setdefault((case.workload, case.metric, case.unit), dataclasses.replace(case, cells={}))
            row.cells.update(case.cells)
        return list(rows.values())

    def cards(self) -> list:
        """Returns who is in the comparison of cards, the emulated ones first."""
        rows = self.classic()
        return sorted(self.among(rows), key=lambda who: any(
            row.cells[who.key].device.startswith("virtio") for row in rows if who.key in row.cells))

    def rated(self) -> list:
        """Returns the cases of times and rates with a ratio, without the comparison of cards."""
        return [case for case in self.of(*RATED) if self.rivals([case]) and not self.emulated(case)]

    def several(self, metric: str) -> list:
        """Returns the cases of a metric in groups, one for each work that has several configurations."""
        groups = {}
        for case in self.cases:
            if case.metric == metric and not case.alone and not self.emulated(case):
                groups.setdefault((case.workload, case.device, case.accel), []).append(case)
        return [cases for cases in groups.values() if len(cases) > 1]


def _subjects(report) -> list:
    """Returns everyone with a cell: the stacks in their order, then the others as they come."""
    told = {(stack.get("driver"), stack.get("ring")): (stack.get("label"), stack.get("color"))
            for stack in report.about.get("stacks", [])}
    try:
        for stack in stacks.all_stacks():
            told.setdefault((stack.driver, stack.ring), (stack.label, stack.color))
    except Failure:
        pass  # The names do as labels.
    present = dict.fromkeys((cell.driver, cell.ring) for cell in report.cells)
    found, used, spare = [], set(), list(_COLORS)
    for key in dict.fromkeys([key for key in (BASELINE, *told, *present) if key in present]):
        label, color = told.get(key, (None, None))
        if not color or color in used:
            color = spare[0]
            spare.append(spare.pop(0))
        used.add(color)
        found.append(Subject(*key, label or " ".join(dict.fromkeys(part for part in key if part)), color))
    return found


def _cases(every: list) -> list:
    """Returns the cases, each with the options that tell no cases of the same work apart."""
    found, values = {}, {}
    for cell in every:
        key = (cell.workload, cell.device, cell.layout, cell.accel, cell.metric)
        case = found.setdefault((key, json.dumps(cell.options, sort_keys=True)), Case(*key, cell.options))
        case.cells[(cell.driver, cell.ring)] = cell
    for case in found.values():
        seen = values.setdefault((case.workload, case.metric, case.accel), {})
        for name, value in [("layout", case.layout), *case.options.items()]:
            seen.setdefault(name, set()).add(str(value))
    for case in found.values():
        seen = values[(case.workload, case.metric, case.accel)]
        case.fixed = {name for name, there in seen.items() if len(there) == 1}
    return list(found.values())
