# SPDX-License-Identifier: GPL-2.0
"""Starts the process at the other end of the wire of net/stopped-peer, stops it, and has it go on."""

import signal
import sys
from pathlib import Path

_PROGRAM = Path(__file__).resolve().parent.parent / "lib" / "wire-peer.py"


def actions(guest) -> dict:
    """Returns what the script may ask for: `start`, `stop` and `cont`."""
    started = []

    def start(_argument: str) -> None:
        started.append(guest.namespace.start([sys.executable, _PROGRAM, "wire.sock", "wire0"],
                                             cwd=guest.rundir, log="wire-peer.log"))

    def stop(_argument: str) -> None:
        for child in started[-1:]:
            child.send_signal(signal.SIGSTOP)

    def cont(_argument: str) -> None:
        for child in started[-1:]:
            child.send_signal(signal.SIGCONT)

    return {"start": start, "stop": stop, "cont": cont}
