# SPDX-License-Identifier: GPL-2.0
"""The cost of an operation over everything that device and driver may agree on.

Ring layout, indirect descriptors, event indices, DMA through the IOMMU interface, and one or four
virtual processors. All devices of one number of processors share a guest.
"""

import itertools

from . import plugin
from .cost import boots
from .costcells import Repeats
from .variants import WORKS, Variant

TITLE = "Cost per operation over ring layouts and features"

_LAYOUTS = ("split", "packed", "split-in-order", "packed-in-order")
_WORKS = ("blk-randread-4k-qd1", "net-icmp-echo")
_VCPUS = (1, 4)
#: Two short phases give the slope; that it is straight is shown by the part `cost`.
_FACTORS = (1 / 2, 1)


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
    plan = [(WORKS[work], variant) for work in _WORKS for variant in variants(bench.quick)]
    for vcpus in _VCPUS[:1] if bench.quick else _VCPUS:
        repeats = Repeats(bench, "matrix", vcpus, functions=False)
        boots(bench, f"matrix-{vcpus}", plan, lambda boot, to=repeats: to.take(boot, 0), _FACTORS, vcpus)
        repeats.report()
