# SPDX-License-Identifier: GPL-2.0
"""Serves what net/failover carries."""

import runpy
from pathlib import Path

actions = runpy.run_path(str(Path(__file__).resolve().parent.parent / "lib" / "carry.py"))["actions"]
