# SPDX-License-Identifier: GPL-2.0
"""The guest kernel: found, or built in the cache."""
import os
from pathlib import Path
from .paths import cache
def directory(given=None, variant=""):
    return Path(given or os.environ.get("KDIR") or cache() / "build-try")
