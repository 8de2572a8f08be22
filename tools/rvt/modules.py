# SPDX-License-Identifier: GPL-2.0
"""Our modules: built by Kbuild, found for the guests."""
from pathlib import Path
from . import modtree
from .paths import OUT, REPO
def built(given=None):
    if given:
        return modtree.find_ours(Path(given))
    found = modtree.find_ours(OUT / "modules")
    return found or sorted(REPO.glob("*.ko"))
