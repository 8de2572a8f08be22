# SPDX-License-Identifier: GPL-2.0
"""Which selftests a kernel cannot run, and why: those are skipped.

The kernels of distributions are configured in their own way. A script that needs more than guests do
says so in its header, with symbols of the kernel's configuration:

	# config: VIRTIO_DEBUG VIRTIO=m
"""

import re
from pathlib import Path

from ..build import kconfig, kmods, modtree, stock

_CONFIG = re.compile(r"^# config:(.*)$", re.M)

#: Symbols without which a transport's module finds no device of QEMU's.
_TRANSPORT = {"virtio_mmio": ["VIRTIO_MMIO_CMDLINE_DEVICES"]}


def why_no_kernel(wanted, name: str) -> str:
    """Returns why a script cannot have the kernel that it asks for, "" if it can. `name` is that of a
    kernel from packages that everything runs on, if there is one."""
    if name and wanted.kernel and wanted.kernel not in stock.KERNELS:
        return f"it is about a kernel that is built as tools/config/{wanted.kernel}.config says, not KERNEL={name}"
    return ""


def why_not(kdir: Path, wanted, ours: list, script: str) -> str:
    """Returns why a script cannot run on a kernel, "" if it can.

    `wanted` describes its guest, `ours` are the modules that were built, `script` is its text.
    """
    config = kconfig.read(kdir / ".config")
    fixed, there = kmods.builtin(kdir), set(kmods.taken(kdir, ours))
    there |= fixed | {kmods.name_of(path) for path in ours}
    release = kmods.release(kdir)
    why = modtree.why_not_ring(kdir, wanted.ring)
    if why:
        return why
    loads = wanted.load()
    absent = [name for name in loads if name not in there and name != "ext4"]
    if absent:
        return f"Linux {release} has no module {', '.join(absent)}"
    taking = [name for name in modtree.FAMILIES["c"] if name in fixed]
    if taking and wanted.family != "c":
        return f"{' and '.join(taking)} is built into Linux {release} and takes the devices"
    symbols = [symbol for name in loads for symbol in _TRANSPORT.get(name, [])]
    symbols += [word for line in _CONFIG.findall(script) for word in line.split()]
    lacking = [f"CONFIG_{symbol}" for symbol in symbols if not _has(config, symbol)]
    return f"Linux {release} has no {', '.join(lacking)}" if lacking else ""


def _has(config: dict, symbol: str) -> bool:
    """Returns whether a symbol is enabled, or has the value that it is written with."""
    name, _, value = symbol.partition("=")
    found = config.get(name, "n")
    return found == value if value else found != "n"


def why_no_suites(kdir: Path) -> str:
    """Returns why no KUnit suite can run on a kernel, "" if they can."""
    if kconfig.read(kdir / ".config").get("KUNIT", "n") != "n":
        return ""
    return f"Linux {kmods.release(kdir)} has no KUnit (CONFIG_KUNIT)"
