# SPDX-License-Identifier: GPL-2.0
"""The cost of the other paths through a NIC: TCP streams, forwarding, XDP and AF_XDP.

Counted as in cost.py. Packets come in bursts, as a fast network has them: each is taken in one poll.
"""

from . import plugin
from .cards import CardBoot, Path
from .cost import boots
from .costcells import Repeats
from .variants import Variant

TITLE = "Cost of streams, forwarding, XDP and AF_XDP, counted in instructions"

_ROUNDS, _QUICK_ROUNDS = 2, 1
#: The packets of a burst, and those of the shortest phase: ten refills of the ring, of two bursts each.
_BURST, _COUNT = 32, 640
#: Megabytes of the shortest phase.
_MEGABYTES = 8


def _packets(name: str, verb: str, **more) -> Path:
    return Path(name, "net", verb, _BURST, _COUNT, **more)


def _stream(name: str, verb: str, card: str) -> Path:
    return Path(name, "net", verb, 1, _MEGABYTES, card=card)


#: Everything that is measured, by name. An operation is a packet, or a megabyte.
PATHS = {work.name: work for work in (
    _stream("net-tcp-out-1mb", "stream-out", "host"),
    _stream("net-tcp-in-1mb", "stream-in", "host"),
    _stream("net-tcp-in-1mb-mtu", "stream-in", "host-mtu"),
    _packets("net-udp-rx-burst", "receive", silent=True),
    _packets("net-forward", "forward", onward=True),
    _packets("net-xdp-drop", "drop", silent=True),
    _packets("net-xdp-tx", "tx"),
    _packets("net-xdp-redirect", "redirect", onward=True),
    _packets("net-xsk-rx", "xsk-receive", silent=True, card="mapped"),
    _packets("net-xsk-tx", "xsk-send", card="mapped"),
)}


def run(bench) -> None:
    """Measures all paths on all stacks."""
    plugin.build()
    repeats = Repeats(bench, "paths")
    plan = [(work, Variant()) for work in PATHS.values()]
    for number in range(_QUICK_ROUNDS if bench.quick else _ROUNDS):
        boots(bench, f"paths-{number + 1}", plan, lambda boot, number=number: repeats.take(boot, number), kind=CardBoot)
    repeats.report()
