# SPDX-License-Identifier: GPL-2.0
"""The report as one HTML file, made from report.html."""

import importlib.util
import math
import os
import sys
from pathlib import Path

from .. import ratio
from ..results import LAYOUTS
from . import charts, compare, summary, words
from .model import MORE, USUAL, Model, common, option

#: The name of problems of the report itself.
_NAME = "report"
#: These and the layout make the rows of a table of configurations; whatever else differs makes the columns.
_ROWS = ("layout", "indirect", "event_idx")
#: Less is blue, more is orange: told apart by colour-blind readers too.
_LESS, _MORE = (67, 133, 190), (226, 130, 60)


def available() -> bool:
    """Returns whether there is a library for templates."""
    return importlib.util.find_spec("jinja2") is not None


def write(report, base=None):
    """Writes the page beside the figures and returns its path, None if that cannot be.

    Without a plotting library it has tables only. A library that is missing is a problem.
    """
    report.problems = [one for one in report.problems if one["what"] != _NAME]
    if not charts.available():
        report.problem(_NAME, charts.MISSING)
    if not available():
        report.problem(_NAME, f"Jinja2 is not installed for {sys.executable} (make bench installs it)")
        return None
    path = report.path.with_suffix(".html")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text(report, base), encoding="utf-8")
    os.replace(part, path)
    return path


def text(report, base=None) -> str:
    """Returns the page."""
    import jinja2  # Only here: the rest of the benchmark does without it.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(str(Path(__file__).parent)), autoescape=True, trim_blocks=True,
        lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters.update(number=words.number, figure=words.figure, change=words.change, factor=words.factor,
                               metric=words.metric)
    model, about = Model(report), report.about
    made = ", ".join(str(about[name]) for name in ("time", "commit", "cpu", "accelerator") if about.get(name))
    return environment.get_template("report.html").render(
        report=report, model=model, charts=charts.Page(model), summary=summary, ratio=ratio,
        since=compare.table(report, base) if base else None, events=_events, rates=_rates, notes=_notes,
        grid=_grid, color=color, axis=words.axis, chance=_chance(model),
        baseline=model.baseline.label if model.baseline else "the baseline",
        commands=list(dict.fromkeys(result.command for result in report.results if result.command)),
        facts=_facts(about), made=made)


def _events(model, metric: str) -> list:
    """Returns the cases of an event outside of the comparison of cards."""
    return model.headlines([case for case in model.of(metric) if not model.emulated(case)])


def _rates(model) -> list:
    """Returns (title, cases, whether more is better) for each chart of ratios."""
    groups = {}
    for case in model.rated():
        groups.setdefault((case.accel, case.metric in MORE), []).append(case)
    made = []
    for (accel, more), cases in groups.items():
        metrics = {case.metric for case in cases}
        what = words.metric(metrics.pop()) if len(metrics) == 1 else "latency and time"
        told = (f"{what}, ratio", words.accel(accel), common(cases))
        made.append(("; ".join(part for part in told if part), cases, more))
    return made


def _notes(cases: list) -> list:
    """Returns (note, whose) for each note on a figure."""
    told = {}
    for case in cases:
        for result in case.results.values():
            if result.note and result.value is not None:
                told.setdefault(result.note, {})[f"{result.workload}, {words.metric(result.metric)}"] = None
    return [(note, "; ".join([*list(names)[:3], *([f"and {len(names) - 3} more"] if len(names) > 3 else [])]))
            for note, names in told.items()]


def _grid(cases: list) -> tuple:
    """Returns the titles of columns, and (title of a row, cases), for a table of configurations."""
    varying = [name for name in dict.fromkeys(name for case in cases for name in case.options)
               if len({case.options.get(name) for case in cases}) > 1]
    down, across = ([name for name in varying if (name in _ROWS) == row] for row in (True, False))
    # Queues that follow the processors say nothing of their own.
    across = [name for at, name in enumerate(across) if not any(
        len({(case.options.get(other), case.options.get(name)) for case in cases})
        == len({case.options.get(other) for case in cases}) for other in across[:at])]

    def place(case, names: list) -> tuple:
        return tuple((case.options.get(name) != USUAL.get(name), str(case.options.get(name)),
                      option(name, case.options.get(name)) if name in case.options else "") for name in names)

    found = {((LAYOUTS.index(case.layout), place(case, down)), place(case, across)): case for case in cases}
    columns = sorted({column for _, column in found})
    lines = [(", ".join(filter(None, [LAYOUTS[layout], *[text for *_, text in values]])) or "any",
              [found.get(((layout, values), column)) for column in columns])
             for layout, values in sorted({row for row, _ in found})]
    return [", ".join(filter(None, [text for *_, text in column])) or "figures" for column in columns], lines


def color(value: float) -> str:
    """Returns the colour of a ratio: white at 1, soon tinted, full at a factor of 2 either way."""
    depth = math.sqrt(min(abs(math.log2(value)), 1)) if 0 < value < math.inf else 1
    mixed = [round(255 - (255 - part) * depth * 0.85) for part in (_LESS if value < 1 else _MORE)]
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _chance(model) -> str:
    """Returns how many of the differences to expect from chance alone."""
    count = sum(len(model.rivals([case])) for case in model.rated())
    return f"So about {count * (1 - ratio.SURE):.0f} of the {count} rates and times would be called even if there " \
           "were no difference at all." if count else ""


def _facts(about: dict) -> list:
    """Returns (name, text) of what the figures were made with."""
    rows = []
    for name, value in about.items():
        if name != "stacks" and value:
            items = value if isinstance(value, list) else [value]
            texts = [", ".join(f"{key} {text}" for key, text in item.items() if text)
                     if isinstance(item, dict) else str(item) for item in items]
            rows.append((name.replace("_", " "), "; ".join(texts)))
    return rows + [(str(stack.get("label", "")), " ".join(stack.get("modules", [])))
                   for stack in about.get("stacks", [])]
