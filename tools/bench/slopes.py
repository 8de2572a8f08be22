# SPDX-License-Identifier: GPL-2.0
"""From phases of N, 2N and 3N operations to what one operation costs.

The slope between two phases leaves out whatever a phase costs besides its operations. That the slope
from 2N to 3N is the same shows that the cost is a straight line, so that there is such a thing as the
cost of an operation.
"""

import collections
import dataclasses

from . import plugin
from .ratio import TOLERANCE
from .symbols import Symbols, demangle

#: Functions of the transports that tell the device of new buffers.
NOTIFY = ("vp_notify", "vp_notify_with_data", "vm_notify", "vm_notify_with_data", "vu_notify",
          "vu_notify_with_data")
#: The metrics that are counted, with their units.
UNITS = {"instr_driver_ring": "instructions/op", "instr_guest": "instructions/op", "kicks": "kicks/op",
         "irqs": "interrupts/op"}
#: Functions of less than this are summed up.
_SMALL = 0.5
#: Functions of less than this part of the whole guest are, where the whole guest is looked at.
_DEAR = 0.005
#: Layers whose instructions are the figure to steer by.
_COUNTED = ("driver", "ring", "transport")


@dataclasses.dataclass
class Cost:
    """The cost of one operation."""

    #: (module, function) -> instructions; ("user", "") is everything outside of the kernel.
    instructions: dict
    kicks: float
    irqs: float
    #: Instructions in driver, ring and transport from N to 2N operations and from 2N to 3N.
    driver_ring: float
    again: float = None

    @property
    def guest(self) -> float:
        """All instructions of the guest."""
        return sum(self.instructions.values())

    def figure(self, metric: str) -> float:
        """Returns one of the figures that `UNITS` names."""
        return {"instr_driver_ring": self.driver_ring, "instr_guest": self.guest, "kicks": self.kicks,
                "irqs": self.irqs}[metric]

    def straight(self) -> bool:
        """Returns whether both slopes agree."""
        return self.again is None or abs(self.again - self.driver_ring) <= TOLERANCE * self.driver_ring


@dataclasses.dataclass
class Total:
    """The cost of one phase as a whole."""

    instructions: collections.Counter
    kicks: int
    irqs: int


class Layers:
    """Which modules make up the driver and ring of a stack."""

    def __init__(self, bench, stack):
        self._bench = bench
        self._stack = stack

    def layer(self, module: str) -> str:
        """Returns the layer of a module as far as this stack goes: another driver is the kernel."""
        if module == "user":
            return "user"
        layer = self._bench.layer(module)
        return "kernel" if layer == "driver" and module not in self._stack.modules else layer

    def counts(self, module: str) -> bool:
        """Returns whether the figure to steer by has this module."""
        return self.layer(module) in _COUNTED


def total(phase: plugin.Phase, irqs: int, symbols: Symbols) -> Total:
    """Attributes what was executed in a phase."""
    instructions = collections.Counter()
    for (start, size), count in phase.blocks.items():
        instructions[symbols.find(start)] += size * count
    instructions["user", ""] = phase.user
    return Total(instructions, phase.entries(symbols.addresses(NOTIFY)), irqs)


def cost(counts: list, totals: list, layers: Layers) -> Cost:
    """Returns the cost of an operation from phases of `counts` operations."""
    first = _between(counts, totals, 0, 1, layers)
    if len(totals) > 2:
        first.again = _between(counts, totals, 1, 2, layers).driver_ring
    return first


def _between(counts: list, totals: list, low: int, high: int, layers: Layers) -> Cost:
    operations = counts[high] - counts[low]
    names = set(totals[low].instructions) | set(totals[high].instructions)
    instructions = {name: (totals[high].instructions[name] - totals[low].instructions[name]) / operations
             for name in names}
    return Cost(instructions, (totals[high].kicks - totals[low].kicks) / operations,
                (totals[high].irqs - totals[low].irqs) / operations,
                sum(value for (module, _), value in instructions.items() if layers.counts(module)))


def by_function(found: Cost, layers: Layers) -> list:
    """Returns the breakdown of the figure to steer by: driver, ring and transport by function."""
    return _named(_counted(found, layers), _SMALL, layers)


def by_module(found: Cost, layers: Layers) -> list:
    """Returns the same by module."""
    sums = collections.Counter()
    for (module, _), value in _counted(found, layers).items():
        sums[module] += value
    return _breakdown(layers, [(module, "", value) for module, value in sums.items() if abs(value) >= _SMALL])


def by_dear_function(found: Cost, layers: Layers) -> list:
    """Returns the breakdown of the whole guest: the functions that make up much of it, and the rest."""
    return _named(found.instructions, _DEAR * found.guest, layers)


def _counted(found: Cost, layers: Layers) -> dict:
    return {key: value for key, value in found.instructions.items() if layers.counts(key[0])}


def _named(instructions: dict, least: float, layers: Layers) -> list:
    """Returns a breakdown by function; those below `least` are summed up by module."""
    sums = collections.Counter()
    for (module, function), value in instructions.items():
        sums[module, function if abs(value) >= least else "(others)"] += value
    names = demangle(sorted({function for _, function in sums}))
    return _breakdown(layers, [(module, names[function], value) for (module, function), value in sums.items() if value])


def _breakdown(layers: Layers, found: list) -> list:
    """Returns a breakdown as results have it, dearest first."""
    return [{"layer": layers.layer(module), "module": module, "function": function, "value": round(value, 3)}
            for module, function, value in sorted(found, key=lambda part: -part[2])]
