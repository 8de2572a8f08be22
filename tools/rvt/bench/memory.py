# SPDX-License-Identifier: GPL-2.0
"""Memory: the modules, and what a queue and a request in flight take."""

from .. import accel
from ..spec import Disk, Nic
from . import ratio, sizes
from .cells import Cell
from .pairs import baseline, fill, rerun
from .rounds import Plan, Rounds, Task

TITLE = "Memory"

_VCPUS = 4
#: Sizes of QEMU's queues: what disks and NICs have unless told otherwise, and the largest.
_USUAL, _LARGE = 256, 1024
_QUEUES = 4
_NULL = {"driver": "null-co", "read-zeroes": "on"}

#: Devices by (queues or queue pairs, entries of a queue): the ends of two lines.
SHAPES = [(1, _USUAL), (_QUEUES, _USUAL), (1, _LARGE)]
#: So many devices of each shape are taken at once.
COPIES = 4


def run(bench) -> None:
    """Sizes of the module files, then, if there is time, of what modules and devices take in a guest."""
    sizes.run(bench, rerun(bench, "memory"))
    if bench.quick:
        return
    tasks = [Task("modules", _modules(bench))]
    tasks += [Task(kind, _command(kind)) for kind in ("blk", "net")]
    plan = Plan("memory", tasks, ratio.ROUNDS, guest(), ["memory.sh", "memory-modules.sh"])
    rounds = Rounds(bench, plan)
    plan.finished = lambda name: _loaded(bench, rounds) if name == "modules" else \
        _add(bench, rounds, name)
    rounds.run()


def guest() -> dict:
    """Returns the guest, with all devices."""
    shapes = [shape for shape in SHAPES for _ in range(COPIES)]
    return {"vcpus": _VCPUS, "root": "initramfs", "spare_ports": 0,
            "blk": [Disk(size="64M", node=_NULL, props={"num-queues": queues, "queue-size": entries})
                    for queues, entries in shapes],
            "net": [Nic(queues=queues, dhcp=False, props={"rx_queue_size": entries})
                    for queues, entries in shapes]}


def _modules(bench):
    files = sizes.files(bench)
    return lambda stack: ("sh /run/rvt/job/memory-modules.sh "
                          + " ".join(sizes.closure(stack, files)))


def _loaded(bench, rounds) -> None:
    """Adds what the modules of a stack take once they are loaded."""
    files, base = sizes.files(bench), baseline(bench.stacks)
    needed = {stack.name: sizes.closure(stack, files) for stack in bench.stacks}
    found = {name: [rounds.samples("modules", name, module)[0] for module in modules]
             for name, modules in needed.items()}
    for stack in bench.stacks:
        values = found[stack.name]
        cell = Cell("modules-loaded", "", stack.driver, stack.ring, "", accel.chosen(), "memory",
                    unit="bytes", command=rerun(bench, "memory"),
                    note="Whole pages, with the symbol tables that the kernel keeps.")
        fill(cell, [None if None in values else sum(values)])
        if cell.value:
            cell.parts = [{"layer": bench.layer(module), "module": module, "function": "",
                           "value": value} for module, value in zip(needed[stack.name], values)]
        if cell.value and base and stack.name != base and None not in found[base]:
            cell.ratio = sizes.exactly(cell.value, sum(found[base]))
        bench.report.add(cell)


def _first(kind: str, shape: tuple) -> str:
    """Returns the name of the first device of a shape, which its figures have."""
    return f"{kind}{SHAPES.index(shape) * COPIES}"


def _command(kind: str):
    lists = " ".join(",".join(f"{kind}{index * COPIES + copy}" for copy in range(COPIES))
                     for index in range(len(SHAPES)))
    return lambda stack: f"sh /run/rvt/job/memory.sh {getattr(stack, kind)} {lists}"


def _add(bench, rounds, kind: str) -> None:
    """Adds the cells of the disks or of the NICs."""
    one, wide, deep = SHAPES
    if kind == "blk":
        queue, unit, up = "queue", "request", ""
        kept = "a request and its part of the ring, not the tables it has only while in flight"
    else:
        queue, unit, up = "queue pair", "receive buffer", ", interface up"
        kept = "a posted buffer and its part of the ring"

    def slope(workload: str, unit: str, to: tuple, steps: int, note: str) -> None:
        values = {}
        for stack in bench.stacks:
            ends = [rounds.samples(kind, stack.name, _first(kind, shape)) for shape in (one, to)]
            values[stack.name] = [None if None in pair else (pair[1] - pair[0]) / steps
                                  for pair in zip(*ends)]
        _cells(bench, kind, workload, unit, values, note)

    slope(f"{kind}-memory-queue", f"bytes/{queue}", wide, wide[0] - one[0],
          f"Slope from {one[0]} to {wide[0]} {queue}s of {_USUAL} entries{up}.")
    slope(f"{kind}-memory-{unit.split()[-1]}", f"bytes/{unit}", deep, deep[1] - one[1],
          f"Slope from {one[1]} to {deep[1]} entries of a queue{up}: {kept}.")
    _cells(bench, kind, f"{kind}-memory-device", "bytes",
           {stack.name: rounds.samples(kind, stack.name, _first(kind, one))
            for stack in bench.stacks},
           f"A device with one {queue} of {_USUAL} entries{up}, all that it takes.")


def _cells(bench, kind: str, workload: str, unit: str, values: dict, note: str) -> None:
    """Adds a cell for each stack."""
    base = baseline(bench.stacks)
    for stack in bench.stacks:
        cell = Cell(workload, f"virtio-{kind}-pci", stack.driver, stack.ring, "split",
                    accel.chosen(), "memory", unit=unit, command=rerun(bench, "memory"),
                    options={"indirect": True, "event_idx": True, "iommu": False,
                             "vcpus": _VCPUS}, note=note)
        fill(cell, values[stack.name], values[base] if base and stack.name != base else None,
             more_is_better=False)
        bench.report.add(cell)
