# SPDX-License-Identifier: GPL-2.0
"""What tables of the terminal and the page have in common: which rows they have."""

import dataclasses

from . import judge, words

#: A published comparison of an emulated e1000 with virtio-net under KVM on real hardware, with a
#: TCP stream: metric -> (e1000, virtio-net). Only a scale to hold one's own figures against.
REFERENCE = {"throughput": (239, 5230), "exits": (33783, 1126), "irqs": (3667, 257)}
REFERENCE_NAME = "published, real KVM"

#: Accelerators under which a whole guest runs.
_GUEST = ("tcg", "kvm")


@dataclasses.dataclass
class Row:
    """One row of the classic table."""

    workload: str
    metric: str
    unit: str
    #: Who -> cell
    cells: dict

    @property
    def name(self) -> str:
        """Returns the work and the metric."""
        return f"{self.workload}, {words.metric(self.metric)}"

    @property
    def quantity(self) -> str:
        """Returns what is counted or measured, with its unit."""
        return self.unit if "/" in self.unit and self.metric in judge.COUNTED else \
            f"{words.metric(self.metric)}, {self.unit}"

    def reference(self, which: int) -> float:
        """Returns the published figure of e1000 (0) or virtio-net (1), None if there is none."""
        if self.metric not in REFERENCE:
            return None
        found = REFERENCE[self.metric][which]
        if self.unit.endswith("/MB"):
            return found / (REFERENCE["throughput"][which] / 8)
        return found


def classic(view) -> list:
    """Returns the rows that compare a fully emulated device with virtio.

    They are those of the works that some device took part in that is not a virtio one.
    """
    cases = [case for case in view.cases if case.accel in _GUEST and case.metric != "memory"]
    foreign = {case.workload for case in cases
               if case.device and not case.device.startswith("virtio")}
    rows = {}
    for case in cases:
        if case.workload not in foreign:
            continue
        for cell in case.cells.values():
            row = rows.setdefault((cell.workload, cell.metric, cell.unit),
                                  Row(cell.workload, cell.metric, cell.unit, {}))
            row.cells[view.who(cell)] = cell
    return list(rows.values())


def people(view, rows: list) -> list:
    """Returns who is in the rows, those on devices that are not virtio first."""
    found = [who for who in view.everyone if any(who in row.cells for row in rows)]
    emulated = [who for who in found
                if all(not row.cells[who].device.startswith("virtio")
                       for row in rows if who in row.cells)]
    return emulated + [who for who in found if who not in emulated]


def rated(view) -> list:
    """Returns the cases of times and rates with a ratio, outside of the classic table."""
    classics = {row.name for row in classic(view)}
    return [case for case in view.of(*judge.RATED)
            if any(judge.judge(case, who) for who in view.everyone)
            and f"{case.workload}, {words.metric(case.metric)}" not in classics]


def host(view) -> list:
    """Returns the cases of ring code alone."""
    return view.of(*judge.RATED, *judge.COUNTED, alone=True)
