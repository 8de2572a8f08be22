# SPDX-License-Identifier: GPL-2.0
"""What a test may ask of a guest: processors, memory, disks, NICs, drivers.

A description is a JSON object whose keys are the fields of `Spec`; equal descriptions share a
guest. See tools/README.md for an example of each.
"""

import dataclasses
import json

from ..build.modtree import BOTH, DEFAULT_RING, FAMILIES, RINGS
from ..say import Failure
from .transport import LAYOUTS, TRANSPORTS


@dataclasses.dataclass
class Disk:
    """A virtio-blk disk besides the root disk."""

    size: str = "64M"
    #: A file to use instead of an empty one, relative to the run directory or absolute.
    file: str = ""
    readonly: bool = False
    #: Properties of QEMU's virtio-blk-pci, e.g. {"num-queues": 2, "packed": "on"}.
    props: dict = dataclasses.field(default_factory=dict)
    #: Properties of the block node, e.g. {"discard": "unmap", "driver": "raw"}.
    node: dict = dataclasses.field(default_factory=dict)
    #: Behind a root port of its own; if not, on the root bus, where a device can be transitional.
    port: bool = True


@dataclasses.dataclass
class Nic:
    """A virtio-net NIC on a TAP device."""

    #: Another kind of card, on the root bus: "e1000".
    model: str = ""
    queues: int = 1
    dhcp: bool = True
    #: MTU of the host's end.
    mtu: int = 0
    #: A back end instead of the TAP device, as in QEMU's -netdev without the id: "user".
    netdev: str = ""
    #: Behind a root port of its own; if not, on the root bus, where a device can be transitional.
    port: bool = True
    #: Properties of QEMU's virtio-net-pci, e.g. {"mrg_rxbuf": "off", "packed": "on"}.
    props: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Device:
    """Any other virtio device."""

    #: As QEMU names it, without "virtio-" in front and the bus behind: "rng", "9p", "scsi".
    kind: str
    id: str
    #: QEMU arguments that come before it: its back end.
    before: list = dataclasses.field(default_factory=list)
    #: QEMU arguments that come after it: what hangs on it.
    after: list = dataclasses.field(default_factory=list)
    #: Size of an empty file to make for it, @RUN@/<id>.img; "" for none.
    file: str = ""
    #: A directory is made for it, @RUN@/<id>.
    directory: bool = False
    props: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Spec:
    """A guest."""

    family: str = "rust"
    #: Who provides the rings: "c", "rust", or "both", where modprobe chooses; "" for the default.
    ring: str = ""
    #: Layout of the rings of all devices that do not say otherwise: a key of LAYOUTS.
    layout: str = ""
    #: How the devices are reached: a key of TRANSPORTS.
    transport: str = "pci"
    vcpus: int = 2
    mem: str = "1G"
    #: "disk": a Debian root file system on a disk of the family; "initramfs": busybox only;
    #: "9p": busybox only, in a directory of the host, @RUN@/root-9p.
    root: str = "disk"
    #: The root disk: "" for the one of all guests, "upstream" for the one with the kernel's own tests.
    image: str = ""
    blk: list = dataclasses.field(default_factory=list)
    net: list = dataclasses.field(default_factory=list)
    #: Devices of other kinds.
    devices: list = dataclasses.field(default_factory=list)
    #: Properties of the root disk.
    root_props: dict = dataclasses.field(default_factory=dict)
    #: Modules loaded besides the family's, after the transport and before the family.
    modules: list = dataclasses.field(default_factory=list)
    #: Modules of the family to leave out.
    without: list = dataclasses.field(default_factory=list)
    #: Modules are loaded by kmod from the start, as in distributions; if not, by busybox.
    kmod: bool = False
    #: Lines of kmod's configuration, in /etc/modprobe.d of the initial RAM disk.
    modprobe: list = dataclasses.field(default_factory=list)
    #: Programs of this machine that the guest gets with their libraries, as /run/harness/programs/<name>.
    programs: list = dataclasses.field(default_factory=list)
    #: Empty root ports for hot-plug, named spare0, spare1...
    spare_ports: int = 2
    #: More of the kernel command line.
    cmdline: str = ""
    #: More QEMU arguments. @RUN@ stands for the run directory, here and in all other values given
    #: to QEMU, and @SOCKETS@ for a directory whose name is short enough for sockets.
    qemu: list = dataclasses.field(default_factory=list)
    #: Kernel messages that are expected: regular expressions.
    allow: list = dataclasses.field(default_factory=list)
    #: "on": an IOMMU, with iommu_platform devices.
    iommu: bool = False
    #: QEMU trace events written to trace.log.
    trace: list = dataclasses.field(default_factory=list)
    #: QEMU's value for -accel, where a guest needs a certain one; "" for the best there is.
    accel: str = ""
    #: Kernel variant: "" or "debug"; or a kernel from packages, whatever the others run on: "debian".
    kernel: str = ""
    #: Its scripts take an hour or more: they are run by their own names only.
    long: bool = False

    def __post_init__(self):
        self.blk = [d if isinstance(d, Disk) else _fill(Disk, d) for d in self.blk]
        self.net = [n if isinstance(n, Nic) else _fill(Nic, n) for n in self.net]
        self.devices = [d if isinstance(d, Device) else _fill(Device, d) for d in self.devices]
        for name, value, known in (("family", self.family, FAMILIES),
                                   ("ring", self.ring, ["", *RINGS, BOTH]),
                                   ("layout", self.layout, ["", *LAYOUTS]),
                                   ("transport", self.transport, TRANSPORTS),
                                   ("root", self.root, ("disk", "initramfs", "9p")),
                                   ("image", self.image, ("", "upstream"))):
            if value not in known:
                raise Failure(f"guest description: no {name} \"{value}\"; there are: "
                              + ", ".join(f"\"{one}\"" for one in known if one))
        if self.layout and self.layout not in TRANSPORTS[self.transport].layouts:
            raise Failure(f"guest description: no layout \"{self.layout}\" over {self.transport}")

    def key(self) -> str:
        """Returns text that is equal for equal descriptions."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    def load(self) -> list:
        """Returns the modules the guest loads, in order."""
        drivers = [m for m in FAMILIES[self.family] if m not in self.without]
        root = {"9p": ["9pnet_virtio", "9p"], "disk": ["ext4"]}.get(self.root, [])
        return [TRANSPORTS[self.transport].module, *self.modules, *root, *drivers]

    def provider(self) -> str:
        """Returns who provides the rings."""
        return self.ring or DEFAULT_RING


def parse(text: str) -> Spec:
    """Returns the guest that a JSON text describes. Raises `Failure` naming the wrong key or the place where the text
    is not JSON."""
    try:
        return _fill(Spec, json.loads(text))
    except json.JSONDecodeError as error:
        raise Failure(f"guest description is not JSON: {error}: {text}")


def _fill(kind, values: dict):
    known = {field.name for field in dataclasses.fields(kind)}
    wrong = sorted(set(values) - known)
    if wrong:
        raise Failure(f"guest description: {kind.__name__} has no {', '.join(wrong)}")
    return kind(**values)
