# SPDX-License-Identifier: GPL-2.0
"""The figures of a report that docs/ shows: kept in a file there, from which `make docs` makes tables and a picture."""

import hashlib
import json
import re
from pathlib import Path

from harness.paths import REPO
from harness.say import Failure

from .. import stacks
from ..results import Report, Result
from . import charts, words
from .model import BASELINE, Model
from .summary import MAIN

FILE = REPO / "docs" / "figures.json"
PICTURE = REPO / "docs" / "growth.svg"
#: The stack that stands beside the baseline in every column.
OURS = ("rust", "rust")
#: Metrics of the tables, in the order of the columns.
METRICS = {MAIN: "driver, ring, transport", "instr_guest": "all of the guest", "kicks": "kicks", "irqs": "interrupts",
           "lines_read": "cache lines read", "lines_written": "cache lines written"}
#: Facts about the run that the file keeps.
_ABOUT = ("time", "commit", "guest kernel", "qemu")
_MARK = re.compile(r"(<!-- figures: (\w+) -->\n)(?:[^\n]+\n)*")


def extract(report) -> dict:
    """Returns what the file keeps of a report. Raises `Failure` if the report has no figures of operations."""
    model = Model(report)
    cells = [case for metric in METRICS for case in model.headlines(model.of(metric)) if not model.emulated(case)]
    if not cells:
        raise Failure(f"{report.path} has no figures for the documents")
    return {"about": {name: report.about[name] for name in _ABOUT if report.about.get(name)},
            "cells": [_kept(result) for case in cells for result in case.results.values() if result.value is not None],
            "points": [_kept(case.results[key]) for cases in model.growth(MAIN) for case in cases
                       for key in (BASELINE, OURS) if key in case.results and case.results[key].value is not None]}


def _kept(result) -> dict:
    found = {"workload": result.workload, "metric": result.metric, "driver": result.driver, "ring": result.ring,
             "value": round(result.value, 4)}
    axis = result.options.get("over")
    return {**found, "over": axis, "at": result.options[axis]} if axis else found


def keep(report, path: Path = FILE) -> None:
    """Writes the file, with a line for each figure."""
    found = extract(report)
    parts = [f' "about": {json.dumps(found["about"])}']
    parts += [f' "{name}": [\n' + ",\n".join(f"  {json.dumps(one)}" for one in found[name]) + "\n ]"
              for name in ("cells", "points")]
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def load(path: Path = FILE) -> dict:
    """Returns what the file keeps."""
    return json.loads(path.read_text(encoding="utf-8"))


def renewed(text: str, found: dict) -> str:
    """Returns a document with its tables of figures made anew: `<!-- figures: NAME -->` is before each."""
    makers = {"costs": _costs, "events": _events, "growth": _growth}

    def table(mark):
        if mark[2] not in makers:
            raise Failure(f"there is no table of figures \"{mark[2]}\"; there are: {', '.join(makers)}")
        return mark[1] + _lines(makers[mark[2]](found))

    return _MARK.sub(table, text)


def _lines(rows: list) -> str:
    head, *rest = rows
    shown = [f"| {' | '.join(row)} |\n" for row in (head, *rest)]
    return "".join([shown[0], "|" + "---|" * len(head) + "\n", *shown[1:]])


def _value(found: dict, workload: str, metric: str, key: tuple):
    return next((one["value"] for one in found["cells"] if (one["workload"], one["metric"]) == (workload, metric)
                 and (one["driver"], one["ring"]) == key), None)


def _workloads(found: dict) -> list:
    return list(dict.fromkeys(one["workload"] for one in found["cells"]))


def _change(ours, base) -> str:
    return words.change(ours / base) if base and ours is not None else "-"


def _costs(found: dict) -> list:
    """Returns the instructions of each operation, driver, ring and transport beside all of the guest."""
    keys = [(stack.driver, stack.ring) for stack in stacks.all_stacks()]
    others = [key for key in keys if key not in (BASELINE, OURS)]
    names = {(stack.driver, stack.ring): stack.label for stack in stacks.all_stacks()}
    rows = [["", names[BASELINE], names[OURS], "", *[names[key] for key in others],
             f"all of the guest: {names[BASELINE]}", names[OURS], ""]]
    for workload in _workloads(found):
        base, ours = (_value(found, workload, MAIN, key) for key in (BASELINE, OURS))
        guest, mine = (_value(found, workload, "instr_guest", key) for key in (BASELINE, OURS))
        rows.append([workload, words.number(base), words.number(ours), _change(ours, base),
                     *[words.number(_value(found, workload, MAIN, key)) for key in others],
                     words.number(guest), words.number(mine), _change(mine, guest)])
    return rows


def _events(found: dict) -> list:
    """Returns the events and cache lines of each operation, C and Rust in one field."""
    metrics = [metric for metric in METRICS if not metric.startswith("instr")]
    rows = [["", *[METRICS[metric] for metric in metrics]]]
    for workload in _workloads(found):
        values = [[_value(found, workload, metric, key) for key in (BASELINE, OURS)] for metric in metrics]
        rows.append([workload, *[", ".join(map(words.number, pair)) for pair in values]])
    return rows


def _growth(found: dict) -> list:
    """Returns the points of each axis, C and Rust in one field."""
    axes = dict.fromkeys((one["workload"], one["over"]) for one in found["points"])
    rows = [["", "over", "points: C, Rust"]]
    for workload, axis in axes:
        mine = [one for one in found["points"] if (one["workload"], one["over"]) == (workload, axis)]
        texts = []
        for at in dict.fromkeys(one["at"] for one in mine):
            here = {(one["driver"], one["ring"]): one["value"] for one in mine if one["at"] == at}
            values = [here.get(key) for key in (BASELINE, OURS)]
            texts.append(f"{at:,}: {', '.join(map(words.number, values))}")
        rows.append([workload, words.axis(axis), "; ".join(texts)])
    return rows


def stamp(path: Path = FILE) -> str:
    """Returns the line of the picture that says which figures it was drawn from."""
    return f"<!-- {path.name} sha256:{hashlib.sha256(path.read_bytes()).hexdigest()} -->"


def is_drawn(path: Path = PICTURE, source: Path = FILE) -> bool:
    """Returns whether the picture is that of the figures."""
    return path.exists() and stamp(source) in path.read_text(encoding="utf-8")


def draw(found: dict, path: Path = PICTURE) -> None:
    """Draws the growth. Raises `Failure` without a plotting library."""
    report = Report(path, {})
    report.results = [Result(one["workload"], "", one["driver"], one["ring"], "", "tcg", one["metric"], one["value"],
                             "instructions/op", options={"over": one["over"], one["over"]: one["at"]})
                      for one in found["points"]]
    first, rest = charts.growth_picture(Model(report)).split("\n", 1)
    path.write_text(f"{first}\n{stamp()}\n{rest}", encoding="utf-8")
