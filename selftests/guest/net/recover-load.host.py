# SPDX-License-Identifier: GPL-2.0
"""Has the devices of net/recover-load lie, and serves what is carried."""

import runpy
from pathlib import Path

_LIB = Path(__file__).resolve().parent.parent / "lib"


def actions(guest) -> dict:
    """Returns what the script may ask for: that devices lie, and `serve PORT`."""
    return {name: action for source in ("meddle.py", "carry.py")
            for name, action in runpy.run_path(str(_LIB / source))["actions"](guest).items()}
