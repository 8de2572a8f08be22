# SPDX-License-Identifier: GPL-2.0
"""What the demo concludes from its findings, as rows of a table.

Rates are compared as the benchmark compares them (bench/ratio.py): round by round, with the interval
that holds the true median. Counts are compared as they are (bench/ratio.py). Neither decides
anything; the checks do.
"""

import statistics

from bench import costcells, ratio
from bench.report import words

from .cost import WORK
from .guest import DRIVERS, TASKS
from .table import Row

#: What is counted: field of a sample -> in words.
COUNTS = {"kicks": "kicks", "irqs": "interrupts"}
_MIB = 1048576


def compare(found, task, field: str) -> dict:
    """Compares a rate of a task, Rust against C; None if there is no round with both."""
    c, rust = (found.column(task.name, family, lambda sample: sample[field]) for family in ("c", "rust"))
    return ratio.compare(rust, c, True)


def verdict(against: dict) -> str:
    """Returns what a comparison of rates says."""
    if len(against["samples"]) < ratio.ROUNDS:
        return "too few rounds"
    return {ratio.FASTER: "Rust is faster", ratio.SLOWER: "C is faster",
            ratio.SAME: "no difference"}.get(against["verdict"], "no difference (noisy)")


def _rate_row(found, task, field: str) -> Row:
    against = compare(found, task, field)
    if against is None:
        return Row(task.rates[field], "", "not measured", "FAIL", True)
    value, low, high = (words.factor(against[name]) for name in ("value", "low", "high"))
    return Row(task.rates[field], "1", f"{value} ({low} to {high})", verdict(against))


def per(field: str, unit: str):
    """Returns the function that divides a count of a sample by its operations or its megabytes."""
    def figure(sample: dict):
        count, much = sample.get(field), sample["ops" if unit == "I/O" else "mb"]
        return None if count is None or not much else count / much

    return figure


def _counted(found, task: str, field: str, unit: str) -> tuple:
    """Returns a count of C and of Rust, as text, and how they compare."""
    sides = {}
    for family in DRIVERS:
        column = found.column(task, family, per(field, unit))
        sides[family] = {number: value for number, value in enumerate(column) if value is not None}
    if not all(sides.values()):
        return "?", "?", "not counted"
    c, rust = (statistics.median(sides[family].values()) for family in ("c", "rust"))
    return words.number(c), words.number(rust), _count_verdict(field, sides)


def _count_verdict(field: str, sides: dict) -> str:
    against = costcells.compare(field, sides["rust"], sides["c"])
    if against is None:
        return "no difference" if not any(sides["rust"].values()) else "from 0"
    if against["verdict"] in (ratio.FASTER, ratio.SLOWER):
        return words.change(against["value"])
    if against["verdict"] == ratio.WIDE_SPREAD:
        few = min(map(len, sides.values())) < ratio.ROUNDS
        return "too few rounds" if few else "no difference (noisy)"
    return "no difference"


def _stacked(rows: list) -> Row:
    """Makes one row of several."""
    return Row(*("\n".join(getattr(row, name) for row in rows) for name in ("name", "c", "rust", "verdict")))


def _count_row(found, field: str) -> Row:
    """Compares a count per operation of the disk, at the greatest depth: only there is one for several."""
    task = [task for task in TASKS if task.kind == "disk"][-1]
    return Row(f"{COUNTS[field]} per {task.title}", *_counted(found, task.name, field, "I/O"))


def _cost_row(costs: dict, ring: str) -> Row:
    """Compares instructions, on the ring of the guest and, where that is in Rust, each on its own."""
    rows = []
    for base, note in ((("c", ring), ""), (("c", "c"), ", each on its own ring")):
        if base not in costs or note and ring == "c":
            continue
        c, rust = costs[base], costs["rust", ring]
        rows += [Row(f"  {title}{note}", words.number(c[work]), words.number(rust[work]),
                     words.change(rust[work] / c[work])) for work, title in WORK.items()]
    name = "instructions per"
    if not rows:
        return Row(f"{name} operation", "", "not counted", "")
    rows[0].name = f"{name}{rows[0].name[1:]}"
    return _stacked(rows)


def check_rows(found) -> list:
    """Returns a row for each check."""
    rows = []
    names = dict.fromkeys(name for side in found.sides.values() for name in side.checks)
    for name in names:
        cells = [side.checks.get(name, "missing") for side in found.sides.values()]
        failed = any(cell in ("failed", "missing", "") for cell in cells)
        differ = len(set(cells)) > 1
        mark = "FAIL" if failed else "DIFFERS" if differ else "the same"
        rows.append(Row(name, *cells, mark, failed or differ))
    return rows


def _checks(found) -> Row:
    """Sums the checks up."""
    rows = check_rows(found)
    cells = []
    for side in found.sides.values():
        good = sum(value not in ("failed", "") for value in side.checks.values())
        same = int(side.values.get("bytes compared", 0)) // _MIB
        all_ok = "all ok" if good == len(rows) and rows else f"{good} ok"
        cells.append(f"{len(rows)}, {all_ok}\n{same} MiB")
    wrong = not rows or any(row.wrong for row in rows)
    return Row("checks\ndata compared", *cells, "FAIL" if wrong else "the same", wrong)


def wrong_drivers(found, ring: str) -> list:
    """Returns what the work was done by besides the drivers and the ring it was meant for."""
    texts = []
    for family, side in found.sides.items():
        blk, net = DRIVERS[family]
        meant = {"driver of the root disk": DRIVERS["rust"][0], "driver of the second disk": blk,
                 "driver of the NIC": net, "ring": ring}
        texts += [f"{family} drivers: {name}: \"{side.values.get(name, 'none')}\", not \"{value}\""
                  for name, value in meant.items() if side.values.get(name) != value]
    return texts


def main_rows(found, costs: dict, ring: str) -> list:
    """Returns the rows that matter first."""
    return [*(_rate_row(found, task, field) for task in TASKS for field in task.rates),
            *(_count_row(found, field) for field in COUNTS), _cost_row(costs, ring),
            _checks(found)]


def more_rows(found) -> list:
    """Returns the rows for the log: rates as they are, and all counts."""
    rows = []
    for task in TASKS:
        for field, title in task.rates.items():
            against = compare(found, task, field)
            each = " ".join(words.factor(value) for value in against["samples"]) if against else ""
            rows.append(Row(f"{title}, {task.unit}", *(_median(found, task, family, field)
                                                       for family in DRIVERS), each))
        for field, name in COUNTS.items():
            for unit in ("I/O", "MB") if task.kind == "disk" else ("MB",):
                rows.append(Row(f"{task.title}: {name} per {unit}", *_counted(found, task.name, field, unit)))
    return rows


def _median(found, task, family: str, field: str) -> str:
    values = [value for value in found.column(task.name, family, lambda sample: sample[field]) if value is not None]
    return words.number(statistics.median(values)) if values else "?"
