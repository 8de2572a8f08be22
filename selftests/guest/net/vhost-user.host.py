# SPDX-License-Identifier: GPL-2.0
"""Starts and ends the back ends of net/vhost-user, which QEMU finds in the run directory, and has QEMU stand
still."""

import sys
from pathlib import Path

_PROGRAM = Path(__file__).resolve().parent.parent / "lib" / "vhost-user-net.py"


def actions(guest) -> dict:
    """Returns what the script may ask for: `start`, `kill` of the process that was started last, and `stand`
    for a moment, for which QEMU takes the queues from the process."""
    started = []

    def start(_argument: str) -> None:
        started.append(guest.namespace.start([sys.executable, _PROGRAM, "2", "near.sock", "far.sock"],
                                             cwd=guest.rundir, log="back-end.log"))

    def kill(_argument: str) -> None:
        started[-1].kill()
        started[-1].wait()
        for name in ("near.sock", "far.sock"):
            (guest.rundir / name).unlink()

    def stand(_argument: str) -> None:
        monitor = guest.monitor()
        monitor.command("stop")
        monitor.command("cont")

    return {"start": start, "kill": kill, "stand": stand}
