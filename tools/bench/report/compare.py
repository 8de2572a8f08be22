# SPDX-License-Identifier: GPL-2.0
"""The changes since an older report.

Counts are compared as they are. Of times and rates only the ratios to the baseline are, as no absolute
time means anything in another run.
"""

import dataclasses

from .. import ratio, results
from . import words
from .model import MORE, Model, per_second

#: Facts about a run that counts depend on.
_FACTS = ("guest kernel", "guest kernel config", "qemu", "compilers", "accelerator", "cpu")
_HEAD = ["figure", "before", "now", "change", ""]


@dataclasses.dataclass
class Change:
    """One figure in both reports."""

    result: results.Result
    before: float
    after: float
    #: More than noise; for the better.
    flagged: bool
    better: bool

    @property
    def quotient(self) -> float:
        """Returns the new figure in terms of the old one."""
        return ratio.quotient(self.after, self.before)


def changes(report, base) -> tuple:
    """Returns (changes, new results, results that are gone, how many cannot be compared)."""
    old, new = ({result.key(): result for result in one.results if result.value is not None} for one in (base, report))
    both = [_change(result, old[key]) for key, result in new.items() if key in old]
    found = [one for one in both if one]
    return (found, [result for key, result in new.items() if key not in old],
            [result for key, result in old.items() if key not in new], len(both) - len(found))


def _change(result, before):
    """Compares two counts, or two ratios to the baseline, whose intervals must not overlap.

    None for counts per second, which depend on the speed.
    """
    if result.metric not in ratio.COUNTED:
        mine, theirs = result.ratio, before.ratio
        if not mine or not theirs:
            return None
        return Change(result, theirs["value"], mine["value"],
                      mine["low"] > theirs["high"] or mine["high"] < theirs["low"],
                      (mine["value"] > theirs["value"]) == (result.metric in MORE))
    if result.unit != before.unit or per_second(result):
        return None
    noise = max(ratio.TOLERANCE, result.spread or 0, before.spread or 0)
    apart = abs(result.value - before.value)
    few = result.metric in ratio.EVENTS and apart < ratio.EVENT
    return Change(result, before.value, result.value, apart > noise * abs(before.value) and not few,
                  result.value < before.value)


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
        shown = words.number if one.result.metric in ratio.COUNTED else words.factor
        rows.append([names[one.result.key()], shown(one.before), shown(one.after), words.change(one.quotient),
                     "better" if one.better else "worse"])
    rows += [[names[result.key()], "", _shown(result), "", "new"] for result in came]
    rows += [[old[result.key()], _shown(result), "", "", "gone"] for result in gone]
    return {"head": _HEAD, "rows": rows, "notes": notes}


def _names(report) -> dict:
    """Returns key -> name of every result."""
    model = Model(report)
    return {result.key(): f"{model.label(result)}: {case.title()}{'' if case.metric in ratio.COUNTED else ' ratio'}"
            for case in [*model.cases, *model.points] for result in case.results.values()}


def _shown(result) -> str:
    return words.number(result.value) if result.metric in ratio.COUNTED else "measured"
