# SPDX-License-Identifier: GPL-2.0
"""Memory: the modules, and what a queue and a request in flight take."""

from harness.guest.spec import Disk, Nic

from . import ratio, samples, sizes
from .rounds import Plan, Rounds

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
    sizes.run(bench)
    if bench.quick:
        return
    files = sizes.files(bench)
    needed = {stack.name: sizes.closure(stack, files) for stack in bench.stacks}

    def finished(rounds, name: str) -> None:
        if name == "modules":
            _add_loaded(bench, rounds, needed)
        else:
            _add(bench, rounds, name)

    tasks = {"modules": lambda stack: f"sh /run/harness/job/memory-modules.sh {' '.join(needed[stack.name])}",
             "blk": _command("blk"), "net": _command("net")}
    Rounds(bench, Plan("memory", tasks, ratio.ROUNDS, guest(), ["memory.sh", "memory-modules.sh"],
                       finished=finished)).run()


def guest() -> dict:
    """Returns the guest, with all devices."""
    shapes = [shape for shape in SHAPES for _ in range(COPIES)]
    return {"vcpus": _VCPUS, "root": "initramfs", "spare_ports": 0,
            "blk": [Disk(size="64M", node=_NULL, props={"num-queues": queues, "queue-size": entries})
                    for queues, entries in shapes],
            "net": [Nic(queues=queues, dhcp=False, props={"rx_queue_size": entries})
                    for queues, entries in shapes]}


def _add_loaded(bench, rounds, needed: dict) -> None:
    """Adds what the modules of a stack take once they are loaded; `needed` is its name -> modules."""
    found = {name: [(module, "", rounds.samples("modules", name, module)[0]) for module in modules]
             for name, modules in needed.items()}
    sizes.add(bench, "modules-loaded", found,
              lambda stack: "Whole pages, with the symbol tables that the kernel keeps.")


def _first(kind: str, shape: tuple) -> str:
    """Returns the name of the first device of a shape, which its figures have."""
    return f"{kind}{SHAPES.index(shape) * COPIES}"


def _command(kind: str):
    lists = " ".join(",".join(f"{kind}{index * COPIES + copy}" for copy in range(COPIES))
                     for index in range(len(SHAPES)))
    return lambda stack: f"sh /run/harness/job/memory.sh {getattr(stack, kind)} {lists}"


def _add(bench, rounds, kind: str) -> None:
    """Adds the results of the disks or of the NICs."""
    one, wide, deep = SHAPES
    queue, entry, up, kept = {
        "blk": ("queue", "request", "", "a request and its part of the ring, not the tables it has only while in "
                "flight"),
        "net": ("queue pair", "receive buffer", ", interface up", "a posted buffer and its part of the ring")}[kind]
    by_shape = {shape: rounds.by_stack(kind, _first(kind, shape)) for shape in SHAPES}

    def add(workload: str, unit: str, values: dict, note: str) -> None:
        samples.add(bench.report, bench.stacks, values, lambda stack: samples.result(
            bench, "memory", stack, f"{kind}-memory-{workload}", "memory", unit, device=f"virtio-{kind}-pci",
            options={"indirect": True, "event_idx": True, "iommu": False, "vcpus": _VCPUS}, note=note))

    def slope(to: tuple, steps: int) -> dict:
        return {name: [None if None in pair else (pair[1] - pair[0]) / steps
                       for pair in zip(least, by_shape[to][name])] for name, least in by_shape[one].items()}

    add("queue", f"bytes/{queue}", slope(wide, wide[0] - one[0]),
        f"Slope from {one[0]} to {wide[0]} {queue}s of {_USUAL} entries{up}.")
    add(entry.split()[-1], f"bytes/{entry}", slope(deep, deep[1] - one[1]),
        f"Slope from {one[1]} to {deep[1]} entries of a queue{up}: {kept}.")
    add("device", "bytes", by_shape[one], f"A device with one {queue} of {_USUAL} entries{up}, all that it takes.")
