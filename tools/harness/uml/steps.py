# SPDX-License-Identifier: GPL-2.0
"""Runs the steps of a job in User-mode Linux, with the outcome that a guest of QEMU would have."""

import shutil
import time
from pathlib import Path

from ..build import modtree
from ..guest.machine import Outcome, Step
from ..paths import OUT
from ..say import Failure, say
from .uml import Uml

#: A step may take so long, in seconds.
_LIMIT = 1800


def run(kdir: Path, ours: list, steps: list, name: str, allow=()) -> tuple:
    """Boots, runs `steps`, a list of `(name, command line)`, and returns the outcome and the lines
    of the kernel log. Modules are found by `modprobe -d "$HARNESS_TREE"`; `allow` is as in `Spec`."""
    rundir = OUT / "run" / f"{time.strftime('%H%M%S')}-{name}"
    shutil.rmtree(rundir, ignore_errors=True)
    rundir.mkdir(parents=True)
    say(f"Logs: {rundir}")
    tree = rundir / "modules"
    modtree.build(kdir, ours, tree, rundir / "host.log")
    outcome = Outcome(rundir)
    start = time.monotonic()
    guest = Uml(kdir, rundir)
    try:
        with guest:
            guest.start()
            for step, command in steps:
                outcome.steps.append(_step(guest, step, f"export HARNESS_TREE={tree}; {command}"))
    except Failure as failure:
        outcome.error = str(failure)
    outcome.read(guest.console, allow)
    outcome.seconds = time.monotonic() - start
    return outcome, guest.console.messages()


def _step(guest: Uml, name: str, command: str) -> Step:
    """Runs one step between marks in the kernel log."""
    guest.do(f"echo 'harness: begin {name}' >/dev/kmsg")
    start = time.monotonic()
    status, text = guest.do(command, _LIMIT)
    guest.do(f"echo 'harness: end {name}' >/dev/kmsg")
    return Step(name, text.splitlines(), status, time.monotonic() - start)
