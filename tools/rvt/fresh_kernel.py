# SPDX-License-Identifier: GPL-2.0
"""The kernel for a bare machine: one of this machine's cache that was built by the same compilers."""

from pathlib import Path

from . import source
from .fresh_machine import Machine
from .paths import cache

#: Printed by the harness of the bare machine.
_NAME = ("import sys; sys.path.insert(0, 'tools'); from rvt import kernel, source, toolchain; "
         "print(kernel.place('', source.ensure(), toolchain.find()).name)")


class Kernel:
    """The kernel of a bare machine that has been set up."""

    def __init__(self, machine: Machine):
        self.machine = machine
        self._found = None

    def run(self, command: str, what: str) -> str:
        """Runs a shell command on the machine with the kernel in its cache.

        Returns why it was not run, "" if it was.

        # Errors

        `Failure` if the command fails.
        """
        if self._found is None:
            self._found = self._find()
        binds, env, reason = self._found
        if not reason:
            self.machine.run(command, what, binds=binds, env=env)
        return reason

    def _find(self) -> tuple:
        """Returns the binds and the environment by which there is a kernel, and why there is none."""
        tree = source.ensure()
        trees = self._shared(tree, f"{self.machine.cache}/src/{tree.name}")
        self.machine.run(f"mkdir -p {self.machine.cache}/src {self.machine.cache}/build out && "
                         f"chmod 755 {self.machine.cache}", "directories of the cache")
        self.machine.run(f"/usr/bin/python3 -c \"{_NAME}\" >out/kernel-name", "name of the kernel",
                         binds=trees)
        name = self.machine.read("out/kernel-name").strip()
        built = cache() / "build" / name
        if name and (built / ".rvt-built").exists():
            return [*trees, *self._shared(built, f"{self.machine.cache}/build/{name}")], {}, ""
        return [], {}, ("no kernel in the cache was built by the compilers of this release "
                        "(make test-long builds one)")

    @staticmethod
    def _shared(place: Path, inside: str) -> list:
        """Returns binds of a directory where the machine looks for it, and where it was made: builds
        name what they were made from."""
        return [(place, f"{name}:ro") for name in dict.fromkeys([inside, str(place)])]
