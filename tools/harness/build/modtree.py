# SPDX-License-Identifier: GPL-2.0
"""A /lib/modules tree for a guest: the kernel's modules, ours, and depmod's index.

With the index in place `modprobe` in the guest resolves dependencies by itself, so a guest is told
only which drivers it wants.
"""

import dataclasses
import shutil
from pathlib import Path

from .. import variables
from ..proc import run
from ..say import Failure, say
from . import kmods

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

#: Kernels of which it was said that there is no choice.
_said = set()


def built_in_ring(kdir: Path) -> str:
    """Returns the ring provider that is part of the kernel, "" if there is a choice."""
    fixed = kmods.builtin(kdir)
    return next((name for name, module in RINGS.items() if module in fixed), "")


def default_ring(kdir: Path) -> str:
    """Returns the provider of a guest whose description names none; says so where it has to be the C ring."""
    fixed = built_in_ring(kdir)
    if fixed == "c" and kdir not in _said:
        _said.add(kdir)
        say(f"Linux {kmods.release(kdir)} has the C ring built in (CONFIG_VIRTIO=y): the drivers run on that one")
    return fixed or DEFAULT_RING


def why_not_ring(kdir: Path, ring: str) -> str:
    """Returns why a kernel cannot have a ring provider, "" if it can or none is named."""
    fixed = built_in_ring(kdir)
    if not fixed or ring in ("", fixed):
        return ""
    return f"the {'C' if fixed == 'c' else 'Rust'} ring is built into Linux {kmods.release(kdir)}"


def settle(spec, kdir: Path):
    """Returns the description of a guest with its ring provider named. Raises `Failure` if the kernel cannot have the
    provider that is asked for."""
    why = why_not_ring(kdir, spec.ring)
    if why:
        raise Failure(f"no ring provider \"{spec.ring}\": {why}")
    return dataclasses.replace(spec, ring=spec.ring or default_ring(kdir))


def loadable(kdir: Path, names: list) -> list:
    """Returns what a guest has to load of these modules: those that are not part of its kernel."""
    fixed = kmods.builtin(kdir)
    return [name for name in names if name not in fixed]


def omitted(kdir: Path, ring: str) -> set:
    """Returns the ring providers that a guest with `ring` must not have.

    Where one is built into the kernel, there is no choice, and none can be loaded.
    """
    if kmods.builtin(kdir) & set(RINGS.values()):
        return set(RINGS.values())
    return {module for name, module in RINGS.items() if ring not in (name, BOTH)}


def option(parser, *more) -> None:
    """Declares --ring, whose default is the environment's RING."""
    variables.option(parser, "--ring", f"who provides the rings; {DEFAULT_RING} if not given",
                     choices=["", *RINGS, *more])


def build(kdir: Path, ours, dest: Path, log: Path, ring: str = DEFAULT_RING) -> Path:
    """Fills `dest` with lib/modules/<release> and returns that directory.

    `ours` is a list of .ko files that go under updates/, where they win over the kernel's own. Of
    the ring providers only `ring` gets in, so that depmod makes the transports depend on it.

    Raises `Failure` if a module is missing, or there is no such provider in `ours` and the kernel.
    """
    omit = omitted(kdir, ring)
    theirs = {name: path for name, path in kmods.taken(kdir, ours).items() if name not in omit}
    absent = sorted({module for name, module in RINGS.items() if ring in (name, BOTH)} - omit
                    - set(theirs) - {kmods.name_of(path) for path in ours})
    if absent:
        raise Failure(f"no ring provider \"{ring}\": {', '.join(absent)}.ko is neither among our "
                      "modules nor in the kernel")
    release = kmods.release(kdir)
    top = dest / "lib" / "modules" / release
    shutil.rmtree(dest, ignore_errors=True)
    top.mkdir(parents=True)
    for name, source in theirs.items():
        if not source.exists():
            raise Failure(f"{source} is missing: build the kernel's modules")
        _put(kmods.read(source), top / "kernel" / f"{name}.ko")
    for source in ours:
        if kmods.name_of(source) not in omit:
            _put(kmods.read(Path(source)), top / "updates" / Path(source).name)
    for name in ("modules.builtin", "modules.builtin.modinfo"):
        if (kmods.top(kdir) / name).exists():
            shutil.copy(kmods.top(kdir) / name, top / name)
    # As modules_install leaves it: depmod goes by it where two modules have the same symbols.
    (top / "modules.order").write_text("".join(f"kernel/{name}.ko\n" for name in theirs))
    run(["depmod", "-b", dest, release], log, "depmod")
    return top


def _put(data: bytes, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def find_ours(directory: Path) -> list:
    """Returns the .ko files of an out-of-tree build directory."""
    return sorted(p for p in directory.glob("**/*.ko")) if directory.is_dir() else []
