# SPDX-License-Identifier: GPL-2.0
"""How the cost of a packet grows with queues, flows, the size of packets, and the size of rings.

Each axis has one NIC, and only what the axis names changes on it. UDP packets come in, one burst of a single flow after
the other, and go out, a burst over all flows; echoes go both ways. A point is the slope between two phases.

QEMU's NIC does not have all there could be: `skipped` says what is left out.
"""

from harness.say import say

from . import plugin
from .cards import MOST_ENTRIES, MOST_QUEUES, MOST_SENT, CardBoot, Path
from .cost import boots
from .costcells import Repeats
from .variants import Variant

TITLE = "Growth of the cost of a packet"

#: Two short phases give the slope.
_FACTORS = (1, 2)
_BURST, _COUNT, _ECHOES = 32, 320, 64
#: The usual rings, and the flows that reach every queue.
_RINGS, _FLOWS = "256,256", 64
#: Received packets where there are several queues: two bursts of each flow, so that every queue is refilled in a phase.
_SPREAD_COUNT = 2 * _FLOWS * _BURST

QUEUES = (1, 2, 4, 8, 16, 32, MOST_QUEUES)
FLOWS = (1, 4, 16, 64, 256, 1024)
BYTES = (64, 256, 1514, 4096, 16384, 65520)
RECEIVE_RINGS = (64, 128, 256, 512, MOST_ENTRIES)
TRANSMIT_RINGS = (64, 128, MOST_SENT)
#: The queues over which flows are spread.
_SPREAD = 8


def _wide(name: str, verb: str, axis: str, value: int, channels: int, flows: int, rings: str = _RINGS) -> Path:
    settings = (("CHANNELS", channels), ("FLOWS", flows), ("RINGS", rings), ("HOST", "10.0.2.2"))
    count = _SPREAD_COUNT if verb == "receive" and axis != "entries" else _COUNT
    return Path(name, "net", verb, _BURST, count, card="wide", settings=settings, silent=verb == "receive",
                options=(("over", axis), ("queues", channels), (axis, value)))


def points() -> list:
    """Returns every work, axis by axis."""
    found = []
    for name, verb in (("growth-udp-rx", "receive"), ("growth-udp-tx", "send-flows")):
        found += [_wide(name, verb, "queues", queues, queues, _FLOWS) for queues in QUEUES]
        found += [_wide(name, verb, "flows", flows, _SPREAD, flows) for flows in FLOWS]
    found += [Path("growth-echo", "net", "ping", 1, _ECHOES, card="host",
                   settings=(("BYTES", size), ("MTU", 65521)), options=(("over", "bytes"), ("bytes", size)))
              for size in BYTES]
    found += [_wide("growth-udp-rx", "receive", "entries", entries, 1, 1, f"{entries},{MOST_SENT}")
              for entries in RECEIVE_RINGS]
    found += [_wide("growth-udp-tx", "send-flows", "entries", entries, 1, 1, f"{MOST_ENTRIES},{entries}")
              for entries in TRANSMIT_RINGS]
    return found


def skipped(report) -> None:
    """Notes the points that QEMU's NIC cannot have."""
    report.skip("growth: rings of 2,048 and 4,096 entries", f"QEMU's NIC has at most {MOST_ENTRIES} entries")
    report.skip(f"growth: transmit rings of more than {MOST_SENT} entries",
                f"QEMU's NIC has {MOST_SENT} unless its back end is vhost-user or vDPA")


def run(bench) -> None:
    """Measures every point on all stacks."""
    plugin.build()
    skipped(bench.report)
    plan = [(work, Variant()) for work in points()]
    say(f"  {len(plan)} points for each of {len(bench.stacks)} stacks")
    repeats = Repeats(bench, "growth")
    boots(bench, "growth", plan, lambda boot: repeats.take(boot, 0), _FACTORS, kind=CardBoot)
    repeats.report()
