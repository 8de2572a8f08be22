# SPDX-License-Identifier: GPL-2.0
"""The virtio devices that costs are measured on: what they offer, and what was agreed on."""

import dataclasses

#: Feature bits, as sysfs shows them from bit 0 on.
_INDIRECT, _EVENT_IDX, _IOMMU, _PACKED, _IN_ORDER = 28, 29, 33, 34, 35


@dataclasses.dataclass(frozen=True)
class Variant:
    """What a device offers besides its own features."""

    layout: str = "split"
    indirect: bool = True
    event_idx: bool = True
    iommu: bool = False

    def props(self) -> dict:
        """Returns the properties of the QEMU device."""
        return {"packed": self.layout.startswith("packed"), "in_order": self._in_order(),
                "indirect_desc": self.indirect, "event_idx": self.event_idx,
                "iommu_platform": self.iommu, "disable-legacy": "on"}

    def _in_order(self) -> bool:
        return self.layout.endswith("in-order")

    def options(self) -> dict:
        """Returns what cells say of it besides the layout."""
        return {"indirect": self.indirect, "event_idx": self.event_idx, "iommu": self.iommu}

    def title(self) -> str:
        """Returns the variant in words."""
        return " ".join([self.layout, *(f"{name.replace('_', '-')} {'on' if on else 'off'}"
                                        for name, on in self.options().items())])

    def missing(self, features: str) -> list:
        """Returns what of it the driver did not take, given the features it agreed on."""
        wanted = {_PACKED: self.layout.startswith("packed"), _IN_ORDER: self._in_order(),
                  _INDIRECT: self.indirect, _EVENT_IDX: self.event_idx, _IOMMU: self.iommu}
        names = {_PACKED: "packed", _IN_ORDER: "in_order", _INDIRECT: "indirect_desc",
                 _EVENT_IDX: "event_idx", _IOMMU: "iommu_platform"}
        return [names[bit] for bit, on in wanted.items() if (features[bit:bit + 1] == "1") != on]


@dataclasses.dataclass(frozen=True)
class Work:
    """An operation that is repeated an exact number of times."""

    name: str
    #: "blk" or "net".
    kind: str
    #: What bench/guest/work.c calls it, and how many are under way at a time.
    verb: str
    many: int
    #: Operations of the shortest phase; a multiple of `many`, and of whatever else comes round: 256 for
    #: the entries of a disk's queue, 33 for packets, as so many come in one by one before a receive
    #: queue of 256 is filled up again.
    count: int
    #: How long the device waits before it does its part, in nanoseconds. Long enough, and the guest is
    #: always asleep when the answer comes, instead of by chance.
    delay: int = 0


#: Everything that is measured, by name.
WORKS = {work.name: work for work in (
    Work("blk-randread-4k-qd1", "blk", "read", 1, 512, 300_000),
    Work("blk-randwrite-4k-qd1", "blk", "write", 1, 512, 300_000),
    Work("blk-randread-4k-qd32", "blk", "read", 32, 3200),
    Work("net-icmp-echo", "net", "echo", 1, 264, 1_000_000),
    Work("net-udp-tx", "net", "send", 16, 800, 10_000_000),
    Work("net-udp-rx", "net", "feed", 1, 528),
)}

DEVICES = {"blk": "virtio-blk-pci", "net": "virtio-net-pci"}
