# SPDX-License-Identifier: GPL-2.0
"""Starts and ends the back ends of net/vhost-user, which QEMU finds in the run directory."""

import sys
from pathlib import Path

_PROGRAM = Path(__file__).resolve().parent.parent / "lib" / "vhost-user-net.py"


def actions(guest) -> dict:
    """Returns what the script may ask for: `start`, and `kill` of the process that was started last."""
    started = []

    def start(_argument: str) -> None:
        started.append(guest.namespace.start([sys.executable, _PROGRAM, "2", "near.sock", "far.sock"],
                                             cwd=guest.rundir, log="back-end.log"))

    def kill(_argument: str) -> None:
        started[-1].kill()
        started[-1].wait()
        for name in ("near.sock", "far.sock"):
            (guest.rundir / name).unlink()

    return {"start": start, "kill": kill}
