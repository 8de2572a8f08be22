# SPDX-License-Identifier: GPL-2.0
"""The cache lines that driver, ring and transport read and write in one operation.

A QEMU plugin sees the address of every access. A line counts once for an operation, however often it is touched. Where
packets come in bursts, that is once for a burst, and the figure is divided by the packets of the burst: as on a real
processor, the second packet finds in the cache what the first one needed. All lines count, those of the stack too;
registers of a device do not. Memory that other code of the kernel touches for the driver is not in the figure, as its
instructions are not in that of driver and ring.
"""

import collections

from harness.say import Failure, say

from . import builtins, costcells, phases, plugin, samples, stacks, symbols
from .cards import CardBoot
from .paths import PATHS
from .phases import Boot, Item
from .slopes import Layers, demangle
from .variants import WORKS, Variant

TITLE = "Cache lines per operation"

UNITS = {"lines_read": "lines read/op", "lines_written": "lines written/op"}
#: Bursts, and single operations, that are looked at: one takes a while. Both are whole rounds of refills.
_BURSTS, _SINGLE = 8, 132
#: Megabytes of a stream.
_MEGABYTES = 4
#: Functions of less than this are summed up.
_SMALL = 0.05
#: Code of the kernel from here on: all of it.
_ALL = "8000000000000000"


def run(bench) -> None:
    """Looks at every work of the parts `cost` and `paths`."""
    plugin.build()
    start = _start(bench.kdir)
    for name, works, kind in (("work", WORKS, Boot), ("paths", PATHS, CardBoot)):
        for ring, group in stacks.by_ring(bench.stacks).items():
            items = [Item(stack, work.device(Variant()), work, [count(work)])
                     for work in works.values() for stack in group]
            boot = kind(bench, f"lines-{name}-{ring}", items, lines=start)
            try:
                boot.run()
            except Failure as failure:
                bench.report.problem(boot.name, str(failure))
            costcells.explain(bench, items)
            for item in items:
                if item.whole() and boot.symbols:
                    _add(bench, item, boot.symbols)


def count(work) -> int:
    """Returns how many operations are looked at."""
    if work.verb.startswith("stream"):
        return _MEGABYTES
    return _SINGLE if work.many == 1 else _BURSTS * work.many


def _start(kdir) -> str:
    """Returns the address after the kernel itself, where only modules are; that of the kernel if the drivers may be
    part of it, which takes long."""
    known = next((line.split()[0] for line in symbols.system_map(kdir).splitlines() if line.split()[2:] == ["_etext"]),
                 _ALL)
    if builtins.names(kdir, stacks.layers()):
        say("  drivers are part of the kernel, so all of its code is looked at")
        return _ALL
    return known


def touched(phase, symbols_, layers, operations: int) -> dict:
    """Returns metric -> (lines of an operation, [(module, function, lines)]).

    A line belongs to the function that touches it first, of those in driver, ring and transport.
    """
    sums = {metric: collections.Counter() for metric in UNITS}
    places = {}
    for lines in phase.operations:
        for line in lines:
            first = {}
            for block, done in line:
                if block not in places:
                    places[block] = symbols_.find(block)
                if layers.counts(places[block][0]):
                    for metric, letter in (("lines_read", "r"), ("lines_written", "w")):
                        if letter in done:
                            first.setdefault(metric, places[block])
            for metric, place in first.items():
                sums[metric][place] += 1
    return {metric: (sum(found.values()) / operations,
                     [(module, function, value / operations) for (module, function), value in found.items()])
            for metric, found in sums.items()}


def _add(bench, item: phases.Item, symbols_) -> None:
    """Adds the results of an item."""
    layers, phase = Layers(bench, item.stack), item.phases[0]
    for metric, (value, parts) in touched(phase, symbols_, layers, item.counts[0]).items():
        if not phase.operations:
            continue
        bench.report.add(samples.result(
            bench, "lines", item.stack, item.work.name, metric, UNITS[metric], value=value, samples=[value],
            breakdown=_breakdown(parts, layers), **costcells.about(item.work, item.device, 1, bench.report)))


def _breakdown(parts: list, layers) -> list:
    """Returns a breakdown as results have it, with small functions summed up by module."""
    sums = collections.Counter()
    for module, function, value in parts:
        sums[module, function if value >= _SMALL else "(others)"] += value
    names = demangle(sorted({function for _, function in sums}))
    return [{"layer": layers.layer(module), "module": module, "function": names[function], "value": round(value, 4)}
            for (module, function), value in sums.most_common()]
