# SPDX-License-Identifier: GPL-2.0
"""How a guest reaches its virtio devices, and what their rings look like."""

import dataclasses

from .. import variables

#: Properties of all virtio devices, by the layout of their rings.
LAYOUTS = {
    "split": {},
    "packed": {"packed": "on"},
    "in-order": {"in_order": "on"},
    "packed-in-order": {"packed": "on", "in_order": "on"},
}


def option(parser) -> None:
    """Declares --layout."""
    variables.option(parser, "--layout", "layout of the rings of all devices", choices=["", *LAYOUTS])


@dataclasses.dataclass
class Transport:
    """A way to a virtio device."""

    #: QEMU's machine.
    machine: str
    #: What QEMU's devices of this transport end in: virtio-net-<suffix>.
    suffix: str
    #: The guest's module.
    module: str
    #: Properties of each device.
    props: dict = dataclasses.field(default_factory=dict)
    #: QEMU's -global: properties of all objects of a kind.
    globals: list = dataclasses.field(default_factory=list)
    #: The machine has PCI.
    pci: bool = True
    #: Layouts that QEMU has here.
    layouts: tuple = tuple(LAYOUTS)
    #: Devices can be behind root ports of their own.
    ports: bool = False


#: QEMU's small machine without PCI. Without ACPI, as with it the kernel finds no timer to calibrate
#: the others by; QEMU names the devices on the kernel's command line then. The clock would have the
#: interrupt of a device.
_MICROVM = "microvm,acpi=off,rtc=off"

#: With MMIO QEMU lets drivers take rings of 1024 descriptors, and in order keeps a list with room for
#: as many as the device has otherwise.
_MMIO_LAYOUTS = ("split", "packed")

TRANSPORTS = {
    "pci": Transport("q35", "pci", "virtio_pci", ports=True),
    # With both interfaces, of which drivers take the modern one; on the root bus, as the legacy one
    # has I/O ports.
    "transitional": Transport("q35", "pci-transitional", "virtio_pci"),
    "legacy": Transport("q35", "pci", "virtio_pci",
                        {"disable-modern": "on", "disable-legacy": "off"}),
    "mmio": Transport(_MICROVM, "device", "virtio_mmio", pci=False, layouts=_MMIO_LAYOUTS,
                      globals=["virtio-mmio.force-legacy=off"]),
    "mmio-legacy": Transport(_MICROVM, "device", "virtio_mmio", pci=False, layouts=_MMIO_LAYOUTS,
                             globals=["virtio-mmio.force-legacy=on"]),
}
