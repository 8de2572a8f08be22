# SPDX-License-Identifier: GPL-2.0
"""Moves the guest of net/migrate, and serves what it carries."""

import runpy
from pathlib import Path

_LIB = Path(__file__).resolve().parent.parent / "lib"


def actions(guest) -> dict:
    """Returns what the script may ask for: those of moving.py, and `serve PORT`."""
    return {name: action for source in ("moving.py", "carry.py")
            for name, action in runpy.run_path(str(_LIB / source))["actions"](guest).items()}
