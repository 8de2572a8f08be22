# SPDX-License-Identifier: GPL-2.0
"""The cost of an operation over everything that device and driver may agree on.

Ring layout, indirect descriptors, event indices, DMA through the IOMMU interface, and one or four
virtual processors. All devices of one number of processors share a guest.
"""

import itertools

from ..say import Failure
from . import plugin, stacks
from .costcells import Repeats, explain
from .phases import Boot, Item, device_for
from .variants import WORKS, Variant

TITLE = "Cost per operation over ring layouts and features"

_LAYOUTS = ("split", "packed", "split-in-order", "packed-in-order")
_WORKS = ("blk-randread-4k-qd1", "net-icmp-echo")
_VCPUS = (1, 4)
#: Two short phases give the slope; that it is straight is shown by the part `cost`.
_SHARES = (2, 1)


def variants(quick: bool) -> list:
    """Returns every device there is, or in a quick run those that differ in one thing."""
    every = [Variant(layout, indirect, event_idx, iommu)
             for layout, indirect, event_idx, iommu in
             itertools.product(_LAYOUTS, (True, False), (True, False), (False, True))]
    if not quick:
        return every
    usual = Variant()
    fields = ("layout", "indirect", "event_idx", "iommu")
    return [variant for variant in every
            if sum(getattr(variant, f) != getattr(usual, f) for f in fields) <= 1]


def run(bench) -> None:
    """Measures every combination that the stacks can do."""
    plugin.build()
    for vcpus in _VCPUS[:1] if bench.quick else _VCPUS:
        repeats = Repeats(bench, "matrix", vcpus, functions=False)
        for ring, group in stacks.by_ring(bench.stacks).items():
            _boot(bench, f"matrix-{vcpus}-{ring}", group, vcpus, repeats)
        repeats.report()


def _boot(bench, name: str, group: list, vcpus: int, repeats: Repeats) -> None:
    """Measures the stacks on one ring provider in one guest."""
    items = [Item(stack, device_for(WORKS[work], variant), WORKS[work],
                  [WORKS[work].count // share for share in _SHARES])
             for work in _WORKS for variant in variants(bench.quick) for stack in group]
    boot = Boot(bench, name, items, vcpus)
    try:
        boot.run()
    except Failure as failure:
        bench.report.problem(name, str(failure))
    explain(bench, items, vcpus)
    repeats.take(boot, 0)
