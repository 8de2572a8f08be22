# SPDX-License-Identifier: GPL-2.0
"""One picture of a report, to be shown where there is no room for the page."""

import math
from pathlib import Path

from ..say import Failure
from . import chart_cost, chart_ratio, judge, plots, tables
from .view import View

#: In inches.
_WIDTH = 9.6
_ROW = 0.22
#: No more than so many ratios; the surest ones stay.
_RATIOS = 9


def write(report, path: Path) -> None:
    """Draws the costs of operations beside the ratios of times and rates.

    # Errors

    `Failure` if the report has neither, or the file's type is not known.
    """
    if path.suffix not in (".svg", ".png"):
        raise Failure(f"{path}: the picture has to be an .svg or .png file")
    view = View(report)
    costs = view.headlines(view.of("instr_driver_ring"))
    rated = _chosen(view)
    if not costs and not rated:
        raise Failure(f"{report.path} has nothing to draw: no costs and no ratios")
    fig = _draw(view, costs, rated)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".svg":
        path.write_text(plots.to_svg(fig), encoding="utf-8")
    else:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        FigureCanvasAgg(fig)
        fig.savefig(path, dpi=144)


def _chosen(view) -> list:
    """Returns the cases of throughput that are shown, in their order."""
    cases = [case for case in tables.rated(view) if case.metric in judge.MORE]
    sure = sorted(cases, key=lambda case: _width(view, case))[:_RATIOS]
    return [case for case in cases if case in sure]


def _width(view, case) -> float:
    """Returns how wide the widest interval of a case is, whichever way it points."""
    found = [judge.judge(case, who) for who in view.everyone]
    return max((one.high / one.low for one in found if one and one.low > 0), default=math.inf)


def _draw(view, costs: list, rated: list):
    left = chart_cost.lines(costs, view.among(costs))
    right = chart_ratio.lines(view, rated)
    margin = plots.margin(view.among([*costs, *rated])) + 0.06
    rows = max(len(left), len(right))
    top, bottom, foot = 0.75, 0.45, 0.25
    height = _ROW * rows + top + bottom + foot
    fig = plots.figure(height, _WIDTH)
    fig.patch.set_facecolor("white")
    if left:
        names = chart_cost.layers(costs)
        axes = _axes(fig, (0.0, 0.5 if right else 1.0), len(left), top, foot + bottom, margin,
                     1.08, rows)
        chart_cost.draw_stacked(axes, left, names, margin)
        axes.set_xlabel("guest instructions per operation (less is better)")
        axes.set_yticks([])
        chart_cost.legend(fig, names, (0.08 / _WIDTH, 1 - 0.3 / height))
        fig.text(0.1 / _WIDTH, 1 - 0.2 / height, "What one operation costs",
                 weight="bold", size=plots.FONT + 2, va="center")
    if right:
        start = 0.5 if left else 0.0
        axes = _axes(fig, (start, 1.0), len(right), top, foot + bottom, margin, 1.36, rows)
        chart_ratio.draw_ratios(axes, right, True, margin)
        axes.set_xlabel("throughput, ratio to the baseline (more is better)")
        fig.text(start, 1 - 0.2 / height, "Throughput beside the baseline in the same rounds",
                 weight="bold", size=plots.FONT + 2, va="center")
    fig.text(0.1 / _WIDTH, 0.13 / height, _caption(view), size=plots.FONT - 2, color="#666666",
             va="center")
    return fig


def _axes(fig, part: tuple, count: int, top: float, bottom: float, left: float, right: float,
          rows: int):
    """Returns axes from one part of the width to another, their rows as high as those beside."""
    lower = bottom + _ROW * (rows - count)
    return plots.rows(fig, count, left=part[0] * _WIDTH + left,
                      right=(1.0 - part[1]) * _WIDTH + right, top=top, bottom=lower)


def _caption(view) -> str:
    about = view.report.about
    told = [str(about[name]) for name in ("guest kernel", "qemu", "accelerator", "cpu")
            if about.get(name)]
    return "Linux " + ", ".join(told) if about.get("guest kernel") else ", ".join(told)
