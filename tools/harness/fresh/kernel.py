# SPDX-License-Identifier: GPL-2.0
"""The kernel for a bare machine: one of this machine's cache that was built by the same compilers.

That is the guest kernel, if this machine is of the same release or has built one for it, or else
Debian's own kernel, which is of the compilers of its release.
"""

import functools

from ..build import source, stock
from ..paths import BUILT, cache, log_dir
from ..report.tap import Skipped
from .machine import Machine

#: Printed by the harness of the bare machine.
_NAME = ("import sys; sys.path.insert(0, 'tools'); from harness.build import kernel, source; "
         "from harness.host import toolchain; "
         "print(kernel.place('', source.ensure(), toolchain.find()).name)")


def run(machine: Machine, command: str, what: str) -> None:
    """Runs a shell command on a machine that has been set up, with a kernel in its cache. Raises `Skipped` if there is
    no kernel for it, and `Failure` if the command fails."""
    binds, env, reason = _found(machine)
    if reason:
        raise Skipped(reason)
    machine.run(command, what, binds=binds, env=env)


@functools.cache
def _found(machine: Machine) -> tuple:
    """Returns the binds and the environment by which there is a kernel, and why there is none."""
    tree = source.ensure()
    binds = [(tree, f"{tree}:ro")]
    # By the user, who writes beside what is bound there.
    machine.run("mkdir -p " + " ".join(f"{machine.cache}/{name}" for name in ("src", "build", "stock", "roots")),
                "directories of the cache")
    machine.run(f"/usr/bin/python3 -c \"{_NAME}\" >out/kernel-name", "name of the kernel", binds=binds)
    name = machine.read("out/kernel-name").strip()
    built = cache() / "build" / name
    if name and (built / BUILT).exists():
        return [*binds, (built, f"{built}:ro")], {}, ""
    if machine.suite != stock.RELEASE:
        return [], {}, ("no kernel in the cache was built by the compilers of this release (make test-long builds one)")
    kdir = stock.directory("debian")
    binds = [(kdir, f"{kdir}:ro")]
    if machine.user == "root":
        # An ordinary user cannot enter a root that is another's, and makes one.
        place = stock.COMPILERS.ensure(log_dir() / "fresh-compilers.log")
        binds.append((place, str(place)))
    return binds, {"KERNEL": "debian"}, ""
