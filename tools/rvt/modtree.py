# SPDX-License-Identifier: GPL-2.0
"""A /lib/modules tree for a guest: the kernel's modules, ours, and depmod's index.

With the index in place `modprobe` in the guest resolves dependencies by itself, so a guest is told
only which drivers it wants.
"""

import shutil
from pathlib import Path

from .proc import run
from .say import Failure

#: The driver modules of each family, in loading order. One of the two is loaded, never both.
FAMILIES = {
    "rust": ["rust_virtqueue", "rust_virtio_blk", "rust_virtio_net"],
    "c": ["virtio_blk", "virtio_net"],
    "none": [],
}


def kernel_release(kdir: Path) -> str:
    """Returns the release of the kernel built in `kdir`."""
    name = kdir / "include" / "config" / "kernel.release"
    try:
        return name.read_text().strip()
    except OSError:
        raise Failure(f"{kdir} is not a built kernel: {name} is missing")


def build(kdir: Path, ours, dest: Path, log: Path, omit=()) -> Path:
    """Fills `dest` with lib/modules/<release> and returns that directory.

    `ours` is a list of .ko files that go under updates/, where they win over the kernel's own.
    `omit` names modules to leave out, so that another with the same symbols takes their place.
    """
    release = kernel_release(kdir)
    top = dest / "lib" / "modules" / release
    shutil.rmtree(dest, ignore_errors=True)
    top.mkdir(parents=True)
    order = kdir / "modules.order"
    if not order.exists():
        raise Failure(f"{kdir} has no modules.order: build the kernel's modules there")
    for line in order.read_text().split():
        source = kdir / (line[:-2] + ".ko")
        if not source.exists():
            raise Failure(f"{source} is missing: build the kernel's modules")
        if source.stem not in omit:
            _copy(source, top / "kernel" / source.name)
    for source in ours:
        if Path(source).stem not in omit:
            _copy(Path(source), top / "updates" / Path(source).name)
    for name in ("modules.builtin", "modules.builtin.modinfo"):
        if (kdir / name).exists():
            shutil.copy(kdir / name, top / name)
    (top / "modules.order").write_text("")
    run(["depmod", "-b", dest, release], log, "depmod")
    return top


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def find_ours(directory: Path) -> list:
    """Returns the .ko files of an out-of-tree build directory."""
    return sorted(p for p in directory.glob("**/*.ko")) if directory.is_dir() else []
