# SPDX-License-Identifier: GPL-2.0
"""The virtio devices that costs are measured on: what they offer, and what was agreed on."""

import dataclasses

#: Properties of QEMU's devices and their feature bits, as sysfs shows them from bit 0 on.
FEATURES = {"indirect_desc": 28, "event_idx": 29, "iommu_platform": 33, "packed": 34, "in_order": 35}


def has(features: str, name: str) -> bool:
    """Returns whether a feature is among those that were agreed on."""
    return features[FEATURES[name]:FEATURES[name] + 1] == "1"


@dataclasses.dataclass(frozen=True)
class Variant:
    """The features that a device offers besides its own ones."""

    layout: str = "split"
    indirect: bool = True
    event_idx: bool = True
    iommu: bool = False

    def props(self) -> dict:
        """Returns the properties of the QEMU device."""
        return {"packed": self.layout.startswith("packed"), "in_order": self.layout.endswith("in-order"),
                "indirect_desc": self.indirect, "event_idx": self.event_idx, "iommu_platform": self.iommu,
                "disable-legacy": "on"}

    def options(self) -> dict:
        """Returns what results say of it besides the layout."""
        return {"indirect": self.indirect, "event_idx": self.event_idx, "iommu": self.iommu}

    def title(self) -> str:
        """Returns the variant in words."""
        return " ".join([self.layout, *(f"{name.replace('_', '-')} {'on' if on else 'off'}"
                                        for name, on in self.options().items())])

    def missing(self, features: str) -> list:
        """Returns the features on which driver and device did not agree as this variant has them."""
        wanted = self.props()
        return [name for name in FEATURES if has(features, name) != wanted[name]]


@dataclasses.dataclass(frozen=True)
class Work:
    """An operation that is repeated an exact number of times."""

    name: str
    #: "blk" or "net".
    kind: str
    #: Its name in tools/bench/guest/work.c, and the number under way at a time.
    verb: str
    many: int
    #: Operations of the shortest phase; a multiple of `many`, and of whatever else comes round: 256 for
    #: the entries of a disk's queue, 33 for packets, as so many come in one by one before a receive
    #: queue of 256 is filled up again.
    count: int
    #: The time before the device does its part, in nanoseconds. Long enough, and the guest is
    #: always asleep when the answer comes, instead of by chance.
    delay: int = 0
    #: Packets are only received, so that no kick is no surprise.
    silent: bool = False
    #: More that results have to say of it: (option, value).
    options: tuple = ()

    def device(self, variant: Variant):
        """Returns the device that the work needs."""
        return Device(self.kind, variant, self.verb == "feed", self.delay)


@dataclasses.dataclass(frozen=True)
class Device:
    """A virtio device of a guest."""

    kind: str
    variant: Variant
    #: On one wire with the e1000, instead of the user network.
    fed: bool = False
    #: See `Work`.
    delay: int = 0
    #: The NIC of a guest that has certain ones (cards.py).
    card: str = ""


#: Everything that is measured, by name.
WORKS = {work.name: work for work in (
    Work("blk-randread-4k-qd1", "blk", "read", 1, 512, 300_000),
    Work("blk-randwrite-4k-qd1", "blk", "write", 1, 512, 300_000),
    Work("blk-randread-4k-qd32", "blk", "read", 32, 3200),
    Work("net-icmp-echo", "net", "echo", 1, 264, 1_000_000),
    Work("net-udp-tx", "net", "send", 16, 800, 10_000_000),
    Work("net-udp-rx", "net", "feed", 1, 528, silent=True),
)}

DEVICES = {"blk": "virtio-blk-pci", "net": "virtio-net-pci"}
