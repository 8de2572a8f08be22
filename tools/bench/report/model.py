# SPDX-License-Identifier: GPL-2.0
"""A report arranged for reading: the subjects that are compared, the cases, and which of two is better.

A case is everything that results have in common except the driver and ring: the same work, device, options
and metric. Nothing here knows the names of drivers, rings or workloads.
"""

import dataclasses
import json

from harness.say import Failure

from .. import ratio, stacks
from ..results import METRICS
from . import words

#: The driver and ring that ratios are against.
BASELINE = tuple(stacks.BASELINE.split("-"))
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
        """Returns what results are told apart by."""
        return (self.driver, self.ring)


@dataclasses.dataclass
class Case:
    """The results that differ only in driver and ring."""

    workload: str
    device: str
    layout: str
    accel: str
    metric: str
    options: dict
    #: (driver, ring) -> result
    results: dict = dataclasses.field(default_factory=dict)
    #: Options (and "layout") that are the same in every case of this work and metric.
    fixed: set = dataclasses.field(default_factory=set)

    @property
    def axis(self) -> str:
        """Returns the option that grows over cases of the same work, "" for a case that is no point of growth."""
        return self.options.get("over", "")

    @property
    def alone(self) -> bool:
        """Returns whether this is ring code alone, as a program on the host, without a driver."""
        return self.accel == "host" and self.metric != "memory"

    @property
    def unit(self) -> str:
        """Returns the unit of the figures."""
        return next((result.unit for result in self.results.values() if result.unit), "")

    def value(self, subject) -> float:
        """Returns a figure, None if it was not measured."""
        result = self.results.get(subject.key)
        return result.value if result else None

    @property
    def measured(self) -> bool:
        """Returns whether any subject has a figure."""
        return any(result.value is not None for result in self.results.values())

    def against(self, subject) -> dict:
        """Returns the ratio to the baseline and the verdict; None if they cannot be compared.

        Ring code alone has a baseline of its own, and comes with its verdicts.
        """
        result, base = self.results.get(subject.key), self.results.get(BASELINE)
        if subject.key == BASELINE or result is None or result.value is None:
            return None
        if self.metric not in ratio.COUNTED or self.alone:
            return result.ratio
        if base is None or base.value is None or per_second(result):
            return None
        return ratio.counted(result, base)

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
    def breakdown(self) -> dict:
        """Returns (driver, ring) -> what the figure consists of, dearest first."""
        found = {key: sorted((part for part in result.breakdown if part.get("value")), key=lambda part: -part["value"])
                 for key, result in self.results.items()}
        return {key: parts for key, parts in found.items() if parts}

    def layers(self, subject) -> dict:
        """Returns layer -> value of a figure."""
        total = {}
        for part in self.results[subject.key].breakdown:
            layer = part.get("layer", "")
            total[layer] = total.get(layer, 0) + part["value"]
        return total


def layers(cases: list) -> list:
    """Returns the layers that the figures are made of, in the order of a request."""
    found = {part.get("layer", "") for case in cases for parts in case.breakdown.values() for part in parts}
    return [*filter(found.__contains__, LAYERS), *sorted(found - set(LAYERS))]


def per_second(result) -> bool:
    """Returns whether a count is per second: more of it may only mean that more was done."""
    return result.metric != "memory" and result.unit.endswith("/s")


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
        self._by_key = {subject.key: subject for subject in self.subjects}
        every = _cases(report.results)
        self.cases = [case for case in every if not case.axis]
        #: The points of growth, which are compared along their axis only.
        self.points = [case for case in every if case.axis]
        #: Works that took part on some device that is not a virtio one.
        self._emulated = {case.workload for case in self.cases if case.accel in ("tcg", "kvm")
                          and case.device and not case.device.startswith("virtio")}

    @property
    def baseline(self):
        """Returns the subject that ratios are against, None if it was not measured."""
        return self._by_key.get(BASELINE)

    def label(self, result) -> str:
        """Returns the label of the subject of a result."""
        return self._by_key[(result.driver, result.ring)].label

    def among(self, cases: list) -> list:
        """Returns the subjects with a result in any of the cases, in the order of the whole report."""
        present = {key for case in cases for key in case.results}
        return [subject for subject in self.subjects if subject.key in present]

    def of(self, *metrics) -> list:
        """Returns the cases of some metrics that have a figure, without those of ring code alone."""
        return [case for case in self.cases
                if case.metric in metrics and not case.alone and case.measured]

    def alone(self) -> list:
        """Returns the cases of ring code alone that have a figure."""
        return [case for case in self.cases if case.alone and case.measured]

    def rivals(self, cases: list) -> list:
        """Returns the subjects that are compared with the baseline in one of the cases."""
        return [subject for subject in self.subjects if any(case.against(subject) for case in cases)]

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
            row = rows.setdefault((case.workload, case.metric, case.unit), dataclasses.replace(
                case, results={}, fixed={"layout", *case.options}))
            row.results.update(case.results)
        return list(rows.values())

    def cards(self) -> list:
        """Returns the subjects in the comparison of cards, the emulated ones first."""
        rows = self.classic()
        return sorted(self.among(rows), key=lambda subject: any(
            row.results[subject.key].device.startswith("virtio") for row in rows if subject.key in row.results))

    def rated(self) -> list:
        """Returns the cases of times and rates with a ratio, without the comparison of cards."""
        return [case for case in self.of(*RATED) if self.rivals([case]) and not self.emulated(case)]

    def growth(self, metric: str) -> list:
        """Returns the points of a metric in groups, one for each work and axis, from the least to the most."""
        groups = {}
        for case in self.points:
            if case.metric == metric and case.measured:
                groups.setdefault((case.axis, case.workload), []).append(case)
        return [sorted(cases, key=lambda case: case.options[case.axis]) for cases in groups.values()]

    def several(self, metric: str) -> list:
        """Returns the cases of a metric in groups, one for each work that has several configurations."""
        groups = {}
        for case in self.cases:
            if case.metric == metric and not case.alone and not self.emulated(case):
                groups.setdefault((case.workload, case.device, case.accel), []).append(case)
        return [cases for cases in groups.values() if len(cases) > 1]


def _subjects(report) -> list:
    """Returns the subjects with a result: the stacks in their order, then the others as they come."""
    told = {(stack.get("driver"), stack.get("ring")): (stack.get("label"), stack.get("color"))
            for stack in report.about.get("stacks", [])}
    try:
        for stack in stacks.all_stacks():
            told.setdefault((stack.driver, stack.ring), (stack.label, stack.color))
    except Failure:
        pass  # The names do as labels.
    present = dict.fromkeys((result.driver, result.ring) for result in report.results)
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
    for result in every:
        key = (result.workload, result.device, result.layout, result.accel, result.metric)
        case = found.setdefault((key, json.dumps(result.options, sort_keys=True)), Case(*key, result.options))
        case.results[(result.driver, result.ring)] = result
    for case in found.values():
        seen = values.setdefault((case.workload, case.metric, case.accel), {})
        for name, value in [("layout", case.layout), *case.options.items()]:
            seen.setdefault(name, set()).add(str(value))
    for case in found.values():
        seen = values[(case.workload, case.metric, case.accel)]
        case.fixed = {name for name, there in seen.items() if len(there) == 1}
    return list(found.values())
