# SPDX-License-Identifier: GPL-2.0
"""A ratchet: the number of findings of each kind in each folder, which may only fall.

The numbers are in a file of this tree, kind -> folder -> count. A kind or a folder that is not in the
file has 0.
"""

import json
from pathlib import Path

from ..say import Failure


def load(path: Path) -> dict:
    """Returns the recorded counts."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise Failure(f"{path}: {error}")


def count(findings: list) -> dict:
    """Returns the counts of `(kind, folder)` pairs."""
    counts = {}
    for kind, folder in findings:
        folders = counts.setdefault(kind, {})
        folders[folder] = folders.get(folder, 0) + 1
    return counts


def risen(recorded: dict, now: dict) -> list:
    """Returns `(kind, folder, recorded count, count now)` where there are more than recorded."""
    return [(kind, folder, recorded.get(kind, {}).get(folder, 0), number)
            for kind, folders in sorted(now.items()) for folder, number in sorted(folders.items())
            if number > recorded.get(kind, {}).get(folder, 0)]


def fallen(recorded: dict, now: dict) -> int:
    """Returns how many findings fewer there are than recorded, in the folders that have fewer."""
    return sum(max(0, number - now.get(kind, {}).get(folder, 0))
               for kind, folders in recorded.items() for folder, number in folders.items())


def total(counts: dict, kind: str) -> int:
    """Returns the number of findings of a kind in all folders."""
    return sum(counts.get(kind, {}).values())


def update(path: Path, now: dict, kinds: list) -> None:
    """Records the counts of all kinds. Files may have moved to other folders, so only the sum of a kind
    counts, and a kind that is not in the file is a new one.

    Raises `Failure` if there are more findings of a kind than recorded.
    """
    recorded = load(path)
    more = [kind for kind in recorded if total(now, kind) > total(recorded, kind)]
    if more:
        raise Failure("the counts may only fall, and there are more findings than before of: "
                      + ", ".join(sorted(more)))
    path.write_text(json.dumps({kind: dict(sorted(now.get(kind, {}).items())) for kind in sorted(kinds)},
                               indent=1) + "\n")
