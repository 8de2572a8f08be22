# SPDX-License-Identifier: GPL-2.0
"""The changes since an older report.

Counts are compared as they are. Of times and rates only the ratios to the baseline are, as no absolute
time means anything in another run.
"""

import dataclasses
import json
from pathlib import Path

from ..say import Failure
from . import cells, ratio, words
from .model import MORE, Model, per_second

#: Facts about a run that counts depend on.
_FACTS = ("guest kernel", "guest kernel config", "qemu", "compilers", "accelerator", "cpu")
_HEAD = ["figure", "before", "now", "change", ""]


@dataclasses.dataclass
class Change:
    """One figure in both reports."""

    cell: cells.Cell
    before: float
    after: float
    #: Whether it is more than noise, and whether it is for the better.
    flagged: bool
    better: bool

    @property
    def quotient(self) -> float:
        """Returns the new figure in terms of the old one."""
        return self.after / self.before if self.before else float("inf") if self.after else 1.0


def read(path: str):
    """Reads the older report, whatever fields it has.

    # Errors

    `Failure` naming what is wrong with the file.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"BASE={path}: {error.strerror}")
    except ValueError as error:
        raise Failure(f"BASE={path}: not a JSON file: {error}")
    if not isinstance(data, dict) or not isinstance(data.get("cells"), list) or \
            not all(isinstance(cell, dict) for cell in data["cells"]):
        raise Failure(f"BASE={path}: not a report of the benchmark (no list of cells)")
    return cells.load(Path(path))


def changes(report, base) -> tuple:
    """Returns (changes, new cells, cells that are gone, how many cannot be compared)."""
    old, new = ({cell.key(): cell for cell in one.cells if cell.value is not None} for one in (base, report))
    both = [_change(cell, old[key]) for key, cell in new.items() if key in old]
    found = [one for one in both if one]
    return (found, [cell for key, cell in new.items() if key not in old],
            [cell for key, cell in old.items() if key not in new], len(both) - len(found))


def _change(cell, before):
    """Compares two counts, or two ratios to the baseline, whose intervals must not overlap.

    None for counts per second, which depend on the speed.
    """
    if cell.metric not in ratio.COUNTED:
        mine, theirs = cell.ratio, before.ratio
        if not mine or not theirs:
            return None
        return Change(cell, theirs["value"], mine["value"],
                      mine["low"] > theirs["high"] or mine["high"] < theirs["low"],
                      (mine["value"] > theirs["value"]) == (cell.metric in MORE))
    if cell.unit != before.unit or per_second(cell):
        return None
    noise = max(ratio.TOLERANCE, cell.spread or 0, before.spread or 0)
    apart = abs(cell.value - before.value)
    few = cell.metric in ratio.EVENTS and apart < ratio.EVENT
    return Change(cell, before.value, cell.value, apart > noise * abs(before.value) and not few,
                  cell.value < before.value)


def table(report, base) -> dict:
    """Returns the head, the rows and the notes of what has changed."""
    found, came, gone, mute = changes(report, base)
    flagged = sorted((one for one in found if one.flagged), key=lambda one: -abs(one.quotient - 1))
    told = ", ".join(str(base.about[name]) for name in ("commit", "time") if base.about.get(name))
    differ = [name for name in _FACTS if base.about.get(name) and report.about.get(name)
              and base.about[name] != report.about[name]]
    notes = [f"Against {base.path}" + (f" ({told})." if told else "."),
             f"{len(found)} figures compared, {len(flagged)} changed by more than their noise; "
             f"{len(came)} are new, {len(gone)} are gone."]
    notes += [f"{mute} figures of time or per second are not compared across runs."] if mute else []
    notes += [f"Not made with the same {words.join(differ)}: a change may come from there."] if differ else []
    names, old = _names(report), _names(base)
    rows = []
    for one in flagged:
        shown = words.number if one.cell.metric in ratio.COUNTED else words.factor
        rows.append([names[one.cell.key()], shown(one.before), shown(one.after), words.change(one.quotient),
                     "better" if one.better else "worse"])
    rows += [[names[cell.key()], "", _shown(cell), "", "new"] for cell in came]
    rows += [[old[cell.key()], _shown(cell), "", "", "gone"] for cell in gone]
    return {"head": _HEAD, "rows": rows, "notes": notes}


def _names(report) -> dict:
    """Returns key -> name of every cell."""
    model = Model(report)
    return {cell.key(): f"{model.label(cell)}: {case.title()}{'' if case.metric in ratio.COUNTED else ' ratio'}"
            for case in model.cases for cell in case.cells.values()}


def _shown(cell) -> str:
    return words.number(cell.value) if cell.metric in ratio.COUNTED else "measured"
