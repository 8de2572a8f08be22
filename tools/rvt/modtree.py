# SPDX-License-Identifier: GPL-2.0
"""A /lib/modules tree for a guest: the kernel's modules, ours, and depmod's index.

With the index in place `modprobe` in the guest resolves dependencies by itself, so a guest is told
only which drivers it wants.
"""

import os
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

#: Who provides the rings: name -> module. They export the same symbols, so that one guest has one.
RINGS = {"c": "virtio_ring", "rust": "rust_virtio_ring"}

#: The provider of a guest whose description names none.
DEFAULT_RING = "rust"

#: In place of a provider: both are there, and modprobe chooses.
BOTH = "both"


def kernel_release(kdir: Path) -> str:
    """Returns the release of the kernel built in `kdir`."""
    name = kdir / "include" / "config" / "kernel.release"
    try:
        return name.read_text().strip()
    except OSError:
        raise Failure(f"{kdir} is not a built kernel: {name} is missing")


def order_of(kdir: Path) -> list:
    """Returns the .ko files of the kernel built in `kdir`."""
    order = kdir / "modules.order"
    if not order.exists():
        raise Failure(f"{kdir} has no modules.order: build the kernel's modules there")
    return [kdir / (line[:-2] + ".ko") for line in order.read_text().split()]


def omitted(kdir: Path, ring: str) -> set:
    """Returns the ring providers that a guest with `ring` must not have.

    Where one is built into the kernel, there is no choice, and none can be loaded.
    """
    builtin = kdir / "modules.builtin"
    fixed = {Path(line).stem for line in builtin.read_text().split()} if builtin.exists() else set()
    if fixed & set(RINGS.values()):
        return set(RINGS.values())
    return {module for name, module in RINGS.items() if ring not in (name, BOTH)}


def option(parser, *more) -> None:
    """Declares --ring, whose default is the environment's RING."""
    parser.add_argument("--ring", default=os.environ.get("RING", ""), choices=["", *RINGS, *more],
                        help=f"who provides the rings (also RING=; {DEFAULT_RING} if not given)")


def build(kdir: Path, ours, dest: Path, log: Path, ring: str = DEFAULT_RING) -> Path:
    """Fills `dest` with lib/modules/<release> and returns that directory.

    `ours` is a list of .ko files that go under updates/, where they win over the kernel's own. Of
    the ring providers only `ring` gets in, so that depmod makes the transports depend on it.

    # Errors

    `Failure` if a module is missing, or there is no such provider in `ours` and the kernel.
    """
    omit = omitted(kdir, ring)
    absent = sorted({module for name, module in RINGS.items() if ring in (name, BOTH)} - omit
                    - {Path(name).stem for name in [*order_of(kdir), *ours]})
    if absent:
        raise Failure(f"no ring provider \"{ring}\": {', '.join(absent)}.ko is neither among our "
                      "modules nor in the kernel")
    release = kernel_release(kdir)
    top = dest / "lib" / "modules" / release
    shutil.rmtree(dest, ignore_errors=True)
    top.mkdir(parents=True)
    for source in order_of(kdir):
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
    # As modules_install leaves it: depmod goes by it where two modules have the same symbols.
    (top / "modules.order").write_text("".join(
        f"kernel/{source.name}\n" for source in order_of(kdir) if source.stem not in omit))
    run(["depmod", "-b", dest, release], log, "depmod")
    return top


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def find_ours(directory: Path) -> list:
    """Returns the .ko files of an out-of-tree build directory."""
    return sorted(p for p in directory.glob("**/*.ko")) if directory.is_dir() else []
