# SPDX-License-Identifier: GPL-2.0
"""The stacks that are compared: pairs of drivers and ring providers in tools/bench/stacks.toml."""

import dataclasses
import functools

import tomllib

from harness.build.modtree import RINGS
from harness.paths import REPO
from harness.say import Failure

#: The stack that the others are compared with: the C driver on the C ring.
BASELINE = "c-c"
FILE = REPO / "tools" / "bench" / "stacks.toml"


@dataclasses.dataclass
class Stack:
    """A driver family on a ring provider."""

    driver: str
    ring: str
    label: str
    color: str
    #: The driver modules, in loading order.
    modules: list
    #: Names of the drivers on the virtio bus.
    blk: str
    net: str

    def __post_init__(self):
        if self.ring not in RINGS:
            raise Failure(f"{FILE}: {self.label}: no ring provider \"{self.ring}\"; there are: "
                          + ", ".join(RINGS))

    @property
    def replaces(self) -> dict:
        """Returns module -> module that is loaded instead of it: the ring provider."""
        return {} if self.ring == "c" else {RINGS["c"]: RINGS[self.ring]}

    @property
    def name(self) -> str:
        """The stack's name on the command line and in logs: driver-ring."""
        return f"{self.driver}-{self.ring}"


def _read() -> dict:
    try:
        return tomllib.loads(FILE.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise Failure(f"{FILE}: {error}")


def all_stacks() -> list:
    """Returns every stack of the file. Raises `Failure` naming what is wrong with the file."""
    try:
        return [Stack(**values) for values in _read().get("stack", [])]
    except TypeError as error:
        raise Failure(f"{FILE}: {error}")


@functools.lru_cache
def layers() -> dict:
    """Returns module -> layer ("driver", "ring" or "transport")."""
    return {module: layer for layer, modules in _read().get("layers", {}).items()
            for module in modules}


def by_ring(stacks: list) -> dict:
    """Groups stacks that can share a guest: ring provider -> stacks.

    Stacks on the same ring are compared in one boot, device by device; those on different rings
    need a boot each.
    """
    groups = {}
    for stack in stacks:
        groups.setdefault(stack.ring, []).append(stack)
    return groups
