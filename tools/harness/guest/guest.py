# SPDX-License-Identifier: GPL-2.0
"""Boots one guest, runs a job in it, and says how it went."""

import shutil
from pathlib import Path

from ..build import kconfig, kmods, modtree
from ..upstream import disk
from . import accel, image, initramfs
from .machine import Machine
from .qemu import CommandLine
from .spec import Spec
from .transport import TRANSPORTS

#: How many times longer things may take on a kernel with KASAN, and what goes with it; and how many times
#: longer a guest may be silent meanwhile.
_CHECKED = 10
_CHECKED_SILENCE = 3


def is_checked(kdir: Path) -> bool:
    """Returns whether a kernel is one with KASAN, and what goes with it."""
    config = Path(kdir) / ".config"
    return config.exists() and kconfig.read(config).get("KASAN") == "y"


def silence(kdir: Path) -> int:
    """Returns how many times longer than usual a guest with this kernel may be silent."""
    return _CHECKED_SILENCE if is_checked(kdir) else 1


class Guest(Machine):
    """A guest on a kernel that was built, to be run once."""

    def __init__(self, spec: Spec, kdir: Path, ours: list, name: str = "guest", actions=None):
        super().__init__(modtree.settle(spec, Path(kdir)), name, actions)
        self.kdir = Path(kdir)
        self.ours = ours
        self.patience = _CHECKED if is_checked(self.kdir) else 1
        self.silence = silence(self.kdir)

    def _variables(self) -> dict:
        return {**super()._variables(), "HARNESS_ROOT": self.spec.root,
                "HARNESS_MODULES": " ".join(modtree.loadable(self.kdir, self.spec.load())),
                # QEMU ends at a reset, too; a machine without ACPI cannot be switched off.
                "HARNESS_OFF": "poweroff" if TRANSPORTS[self.spec.transport].pci else "reboot"}

    def _boot(self, job: dict, files: dict, env: dict) -> None:
        log = self.rundir / "host.log"
        tree = modtree.build(self.kdir, self.ours, self.rundir / "modules", log, self.spec.provider())
        ram = self.rundir / "initramfs.cpio"
        kmod = self.spec.modprobe if self.spec.kmod else None
        initramfs.build(ram, tree, job, files, env, kmod, self.spec.programs)
        shutil.rmtree(self.rundir / "modules")
        kernel = kmods.image(self.kdir)
        line = CommandLine(self.spec, self.rundir, self.sockets, self.spec.accel or accel.choose(kernel), log)
        line.kernel(kernel, ram)
        if self.spec.root == "disk":
            line.root_disk(disk.ensure() if self.spec.image == "upstream" else image.ensure())
        elif self.spec.root == "9p":
            line.root_9p(initramfs.root_9p(self.rundir / "root-9p"))
        self._start(line)
