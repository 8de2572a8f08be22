# SPDX-License-Identifier: GPL-2.0
"""What changed since an older report.

Counts are held against each other as they are. Of times and rates only the ratios to the baseline
are, as no absolute time means anything in another run.
"""

import dataclasses
import json
from pathlib import Path

from ..say import Failure
from . import cells, judge, words
from .view import View

#: Facts about a run that counts depend on.
_FACTS = ("guest kernel", "guest kernel config", "qemu", "compilers", "accelerator", "cpu")
#: On the terminal: characters of a name, and rows.
_NAME, _ROWS = 64, 20


@dataclasses.dataclass
class Change:
    """One figure in both reports."""

    cell: cells.Cell
    before: float
    after: float
    #: Whether it is more than noise.
    flagged: bool
    #: Whether less of it is better; None if that cannot be said.
    better: bool = None

    @property
    def quotient(self) -> float:
        """Returns the new figure in terms of the old one."""
        if self.before:
            return self.after / self.before
        return float("inf") if self.after else 1.0


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
    old = {cell.key(): cell for cell in base.cells if cell.value is not None}
    new = {cell.key(): cell for cell in report.cells if cell.value is not None}
    found, mute = [], 0
    for key, cell in new.items():
        if key not in old:
            continue
        one = _counted(cell, old[key]) if cell.metric in judge.COUNTED else _rated(cell, old[key])
        if one:
            found.append(one)
        else:
            mute += 1
    came = [cell for key, cell in new.items() if key not in old]
    gone = [cell for key, cell in old.items() if key not in new]
    return found, came, gone, mute


def _counted(cell, before):
    """Compares two counts; None for those per second, which depend on the speed."""
    if cell.unit != before.unit or (cell.metric != "memory" and cell.unit.endswith("/s")):
        return None
    noise = max(judge.TOLERANCE, cell.spread or 0, before.spread or 0)
    apart = abs(cell.value - before.value)
    small = cell.metric in ("kicks", "irqs", "exits") and apart < judge.EVENT
    flagged = apart > noise * abs(before.value) and not small
    return Change(cell, before.value, cell.value, flagged, cell.value < before.value)


def _rated(cell, before):
    """Compares two ratios to the baseline; flagged only if their intervals do not overlap."""
    mine, theirs = cell.ratio, before.ratio
    if not mine or not theirs:
        return None
    flagged = mine["low"] > theirs["high"] or mine["high"] < theirs["low"]
    more = mine["value"] > theirs["value"]
    return Change(cell, theirs["value"], mine["value"], flagged,
                  more == (cell.metric in judge.MORE))


def table(report, base) -> tuple:
    """Returns (head, rows, notes) of what changed."""
    found, came, gone, mute = changes(report, base)
    flagged = sorted((one for one in found if one.flagged),
                     key=lambda one: -abs(one.quotient - 1))
    notes = [_from(base), f"{len(found)} figures compared, {len(flagged)} changed by more than "
             f"their noise; {len(came)} are new, {len(gone)} are gone."]
    if mute:
        notes.append(f"{mute} figures of time or per second are not compared across runs.")
    differ = [name for name in _FACTS
              if base.about.get(name) and report.about.get(name)
              and base.about[name] != report.about[name]]
    if differ:
        notes.append("Not made with the same " + words.join(differ) + ": a change may come from "
                     "there.")
    names, old = _names(report), _names(base)
    rows = []
    for one in flagged:
        shown = words.number if one.cell.metric in judge.COUNTED else words.factor
        rows.append([names[one.cell.key()], shown(one.before), shown(one.after),
                     words.change(one.quotient), "better" if one.better else "worse"])
    rows += [[names[cell.key()], "", _shown(cell), "", "new"] for cell in came]
    rows += [[old[cell.key()], _shown(cell), "", "", "gone"] for cell in gone]
    return ["figure", "before", "now", "change", ""], rows, notes


def _names(report) -> dict:
    """Returns key -> name of every cell."""
    view = View(report)
    return {cell.key(): f"{view.who(cell).label}: {case.name()}, {words.metric(case.metric)}"
                        f"{'' if case.metric in judge.COUNTED else ' ratio'}"
            for case in view.cases for cell in case.cells.values()}


def _shown(cell) -> str:
    return words.number(cell.value) if cell.metric in judge.COUNTED else "measured"


def _from(base) -> str:
    told = [str(base.about[name]) for name in ("commit", "time") if base.about.get(name)]
    return f"Against {base.path}" + (f" ({', '.join(told)})." if told else ".")


def text(report, base) -> str:
    """Returns the changes as a table for the terminal, those that came or went counted only."""
    head, rows, notes = table(report, base)
    rows = [row for row in rows if row[-1] not in ("new", "gone")]
    lines = ["", "Since the older report", *notes]
    if not rows:
        return "\n".join(lines + ["Nothing changed."])
    wide = min(_NAME, max(len(row[0]) for row in rows))
    for row in [head, *rows[:_ROWS]]:
        name = row[0] if len(row[0]) <= wide else row[0][:wide - 1] + "~"
        lines.append(f"  {name:{wide}}  {row[1]:>9}  {row[2]:>9}  {row[3]:>8}  {row[4]}".rstrip())
    if rows[_ROWS:]:
        lines.append(f"  and {len(rows) - _ROWS} more on the page")
    return "\n".join(lines)
