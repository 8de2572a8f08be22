# SPDX-License-Identifier: GPL-2.0
"""Has the devices of blk/recover-load lie."""

import runpy
from pathlib import Path

actions = runpy.run_path(str(Path(__file__).resolve().parent.parent / "lib" / "meddle.py"))["actions"]
