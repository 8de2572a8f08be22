# SPDX-License-Identifier: GPL-2.0
"""Moves the guest of blk/migrate."""

import runpy
from pathlib import Path

actions = runpy.run_path(str(Path(__file__).resolve().parent.parent / "lib" / "moving.py"))["actions"]
