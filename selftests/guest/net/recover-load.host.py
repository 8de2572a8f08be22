# SPDX-License-Identifier: GPL-2.0
"""Has the devices of net/recover-load lie, and serves what is carried."""

import runpy
import sys
from pathlib import Path

_LIB = Path(__file__).resolve().parent.parent / "lib"


def actions(guest) -> dict:
    """Returns what the script may ask for: that devices lie, and `serve PORT`."""

    def serve(argument: str) -> None:
        guest.namespace.start([sys.executable, _LIB / "carry.py", "serve", argument], cwd=guest.rundir, log="carry.log")

    return {**runpy.run_path(str(_LIB / "meddle.py"))["actions"](guest), "serve": serve}
