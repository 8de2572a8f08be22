# SPDX-License-Identifier: GPL-2.0
"""The guest with certain NICs, for the paths of packets that one NIC on QEMU's user network cannot have.

* `feed` is an e1000, out of which pktgen sends bursts. It and `near` are on one wire.
* `near` is the NIC under test, `far` the one that packets go on to, with the same driver.
* `host` is for TCP with the host, which hands on packets of 64 KiB; `host-mtu` is the same, for packets of the MTU.
* `mapped` is as `near`, with the DMA interface of the kernel (iommu_platform), without an IOMMU: AF_XDP takes that.
* `wide` has the most queues and the largest rings that QEMU gives a NIC. It is on the wire, too.

All are on TAP devices of the host. A NIC waits before it sends, as in phases.py, and for longer where a burst of
packets takes the guest longer.
"""

import dataclasses
import sys

from harness.guest.network import subnet
from harness.guest.spec import Nic, Spec

from . import plugin
from .phases import Boot
from .variants import Device, Variant, Work

#: Queue pairs and entries of a receive queue, at most.
MOST_QUEUES, MOST_ENTRIES = 64, 1024
#: QEMU's NIC has no larger transmit queue on a TAP device.
MOST_SENT = 256
_MTU = 65521
_NO_SEGMENTS = dict.fromkeys(("guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo", "guest_uso4", "guest_uso6"), "off")


@dataclasses.dataclass(frozen=True)
class _Card:
    """A NIC of the guest."""

    name: str
    model: str = ""
    queues: int = 1
    #: The time before the device sends, in nanoseconds.
    delay: int = 0
    #: On the wire of the feed.
    wired: bool = False
    #: The MTU of the host's end, 0 for the usual one.
    mtu: int = 0
    #: DMA goes by the kernel's interface for it, which AF_XDP takes.
    mapped: bool = False
    props: tuple = ()

    @property
    def variant(self) -> Variant:
        """Returns the features of the NIC."""
        return Variant(iommu=self.mapped)


#: By their numbers in the guest. With one processor, a NIC with two pairs of queues keeps the second for XDP.
CARDS = (_Card("feed", model="e1000", wired=True),
         _Card("near", queues=2, delay=15_000_000, wired=True),
         _Card("far", queues=2, delay=15_000_000),
         _Card("host", delay=5_000_000, mtu=_MTU),
         _Card("host-mtu", delay=5_000_000, props=tuple(_NO_SEGMENTS.items())),
         _Card("wide", queues=MOST_QUEUES, delay=15_000_000, wired=True, props=(("rx_queue_size", MOST_ENTRIES),)),
         _Card("mapped", queues=2, delay=15_000_000, wired=True, mapped=True))
_NUMBERS = {card.name: number for number, card in enumerate(CARDS)}
_FEED_SLOT = 30


@dataclasses.dataclass(frozen=True)
class Path(Work):
    """A path of packets that is worked an exact number of times."""

    card: str = "near"
    #: Packets go on to the NIC `far`.
    onward: bool = False
    #: Variables of phases.sh: (name, value).
    settings: tuple = ()

    def device(self, variant: Variant = None) -> Device:
        """Returns the device that the work needs; its features are those of the card."""
        card = CARDS[_NUMBERS[self.card]]
        return Device(self.kind, card.variant, self.verb in FED, card.delay, self.card)


#: Works whose packets come from the feed.
FED = ("receive", "forward", "drop", "tx", "redirect", "xsk-receive")


class CardBoot(Boot):
    """A guest with these NICs, and its plan."""

    modules = ("e1000", "pktgen")
    wires = " ".join(str(number) for number, card in enumerate(CARDS) if card.wired)

    def _helpers(self) -> list:
        return [lambda guest: guest.namespace.start([sys.executable, plugin.GUEST / "stream.py"])]

    def _spec(self, library) -> Spec:
        spec = self._bare(library)
        for number, card in enumerate(CARDS):
            props = {"addr": f"{_FEED_SLOT:#x}"}
            if not card.model:
                props = {**card.variant.props(), **self._place(number - 1), "tx": "timer", "x-txtimer": card.delay,
                         **dict(card.props)}
            spec.net.append(Nic(model=card.model, queues=card.queues, dhcp=False, port=False, mtu=card.mtu,
                                props=props))
        return spec

    def _steps(self, index: int, item) -> list:
        work, driver = item.work, item.stack.net
        number = _NUMBERS[work.card]
        leaves = _NUMBERS["far"] if work.onward else number
        settings = {"TAP": f"tap{leaves}", **dict(work.settings)}
        if work.card.startswith("host"):
            settings["HOST"] = f"{subnet(number)}.1"
        if self.lines and item.device.fed:
            settings["APART"] = 1
        lines = [f"set {index} {name} {value}" for name, value in settings.items()]
        lines.append(f"use {index} {self._address(number - 1)} {work.kind} {driver}")
        if work.onward:
            lines.append(f"also {index} {self._address(_NUMBERS['far'] - 1)} {driver}")
        return [*lines, *self._runs(index, item), f"leave {index}"]
