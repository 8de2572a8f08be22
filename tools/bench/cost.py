# SPDX-License-Identifier: GPL-2.0
"""The cost of one operation in instructions, kicks and interrupts, Rust against C.

Counted by a QEMU plugin, so that the figures repeat on any machine, however busy. Each round boots one
guest for each ring provider; the repeats of a figure come from different boots.
"""

from harness.say import Failure, say

from . import plugin, ratio, slopes, stacks
from .costcells import Repeats, explain
from .phases import Boot, Item
from .variants import WORKS, Variant

TITLE = "Cost per operation, counted in instructions"

#: Boots that a figure is taken from.
_ROUNDS, _QUICK_ROUNDS = 3, 2
#: The devices of design.md's baseline.
_VARIANTS = (Variant(), Variant("packed"), Variant(indirect=False),
             Variant("packed", indirect=False), Variant(iommu=True))
#: The operations that are measured on each of them; the others on the usual device only.
_EVERYWHERE = ("blk-randread-4k-qd1", "net-icmp-echo")


def run(bench) -> None:
    """Measures everything that the stacks can do."""
    plugin.build()
    repeats = Repeats(bench, "cost")
    rounds = _QUICK_ROUNDS if bench.quick else _ROUNDS
    for number in range(rounds):
        boots(bench, f"cost-{number + 1}", _plan(bench), lambda boot, number=number: repeats.take(boot, number))
    notes = {} if bench.quick else _separate(bench, repeats)
    repeats.report(notes)


def _plan(bench) -> list:
    """Returns (work, variant) pairs."""
    usual = [(work, Variant()) for work in WORKS.values()]
    if bench.quick:
        return usual
    return usual + [(WORKS[name], variant) for name in _EVERYWHERE for variant in _VARIANTS[1:]]


def boots(bench, name: str, plan: list, take, factors=(1, 2, 3), vcpus: int = 1, kind=Boot) -> None:
    """Boots a guest for each ring provider and hands it to `take`, however far it came.

    `factors` are the lengths of the phases in terms of that of the work. `kind` makes a guest of (bench, name, items,
    number of processors).
    """
    for ring, group in stacks.by_ring(bench.stacks).items():
        items = [Item(stack, work.device(variant), work, [int(factor * work.count) for factor in factors])
                 for work, variant in plan for stack in group]
        boot = kind(bench, f"{name}-{ring}", items, vcpus)
        try:
            boot.run()
        except Failure as failure:
            bench.report.problem(boot.name, str(failure))
        explain(bench, items, vcpus)
        take(boot)


def _separate(bench, repeats: Repeats) -> dict:
    """Measures the main operations once more with N, 2N and 3N in a guest each.

    Returns what to say of them: (work, device, stack name) -> text.
    """
    say("  The same with N, 2N and 3N operations in three guests that are otherwise alike")
    plan = [(WORKS[name], Variant()) for name in _EVERYWHERE]
    totals = {}

    def take(boot) -> None:
        for item in boot.items:
            if item.whole() and boot.symbols:
                totals.setdefault((item.work, item.device, item.stack.name), {})[item.counts[0]] = \
                    slopes.total(item.phases[0], item.irqs[0], boot.symbols)

    for factor in (1, 2, 3):
        boots(bench, f"cost-{factor}n", plan, take, (factor,))
    by_name = {stack.name: stack for stack in bench.stacks}
    notes = {}
    for key, found in totals.items():
        if len(found) == 3:
            counts = sorted(found)
            layers = slopes.Layers(bench, by_name[key[2]])
            notes[key] = _agreement(slopes.cost(counts, [found[n] for n in counts], layers),
                                    repeats.costs(key[0], key[1], by_name[key[2]]))
    return notes


def _agreement(apart, together: list) -> str:
    """Says how the figure from three guests agrees with that from one."""
    text = f"with N, 2N and 3N in three guests: {apart.driver_ring:,.1f} and {apart.again:,.1f}"
    near = all(abs(cost.driver_ring - apart.driver_ring) <= ratio.TOLERANCE * apart.driver_ring
               for cost in together)
    return text if near else f"{text}, which is not the same"
