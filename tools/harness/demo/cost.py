# SPDX-License-Identifier: GPL-2.0
"""Counts the guest's instructions for one operation in the demo, by the plugin of the benchmark.

They are the same on any machine, however busy. All in C and all in Rust need different ring
providers, and so a guest each.
"""

from bench import Bench, phases, plugin, slopes, stacks
from bench.variants import WORKS, Variant

from ..say import Failure

#: The operations that are counted, in words.
WORK = {"blk-randread-4k-qd1": "4k read", "net-icmp-echo": "ping"}


class _Notes:
    """What a guest of the benchmark has to complain of."""

    def __init__(self):
        self.problems = []

    def problem(self, what: str, why: str) -> None:
        """Takes something that should have worked and did not."""
        self.problems.append(f"{what}: {why}")


def check() -> str:
    """Returns why instructions cannot be counted here, "" if they can."""
    try:
        plugin.build()
        plugin.programs()
    except Failure as failure:
        return str(failure).splitlines()[0]
    return ""


def wanted(ring: str, fixed: bool) -> list:
    """Returns the (driver, ring) pairs to count: both drivers on `ring`, and all in C if there is a choice of rings."""
    pairs = [("c", ring), ("rust", ring)]
    return pairs if fixed or ring == "c" else [("c", "c"), *pairs]


def count(kdir, ours: list, pairs: list) -> dict:
    """Returns (driver, ring) -> name of the work -> instructions in driver, ring and transport. Raises `Failure` if a
    guest did not come to its end, or the kernel complained."""
    chosen = [stack for stack in stacks.all_stacks() if (stack.driver, stack.ring) in pairs]
    notes = _Notes()
    bench = Bench(notes, chosen, True, kdir, ours, "make bench-quick LEGS=cost")
    found = {}
    for ring, group in stacks.by_ring(chosen).items():
        items = [phases.Item(stack, WORKS[name].device(Variant()), WORKS[name],
                             [WORKS[name].count, 2 * WORKS[name].count])
                 for name in WORK for stack in group]
        boot = phases.Boot(bench, f"demo-{ring}", items)
        boot.run()
        for item in items:
            if not item.whole():
                raise Failure(f"{item.work.name}, {item.stack.label}: "
                              f"{item.failure or 'not counted'}\nLogs: {boot.rundir}")
            totals = [slopes.total(phase, irqs, boot.symbols) for phase, irqs in zip(item.phases, item.irqs)]
            cost = slopes.cost(item.counts, totals, slopes.Layers(bench, item.stack))
            found.setdefault((item.stack.driver, ring), {})[item.work.name] = cost.driver_ring
    if notes.problems:
        raise Failure("\n".join(notes.problems))
    return found
