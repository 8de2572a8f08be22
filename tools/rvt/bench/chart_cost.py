# SPDX-License-Identifier: GPL-2.0
"""Bars of what operations cost: stacked by layer, and plain ones of events."""

from . import judge, plots, words
from .view import LAYERS

_ROW = 0.235


def layers(cases: list) -> list:
    """Returns the layers that the figures are made of, in the order of a request."""
    found = {part.get("layer", "") for case in cases for cell in case.cells.values()
             for part in cell.parts}
    known = [layer for layer in LAYERS if layer in found]
    return known + sorted(found - set(known))


def by_layer(cell) -> dict:
    """Returns layer -> value of a cell's parts."""
    total = {}
    for part in cell.parts:
        layer = part.get("layer", "")
        total[layer] = total.get(layer, 0) + part["value"]
    return total


def lines(cases: list, people: list) -> list:
    """Returns the rows of a chart: a title for each case, then everyone with a figure."""
    found = []
    for case in cases:
        found.append((case, None))
        found += [(case, who) for who in people if case.value(who) is not None]
    return found


def _height(shown: list) -> float:
    return _ROW * len(shown)


def stacked(view, cases: list, title: str):
    """Returns the figure of costs by layer, a group of bars for each case."""
    people, names = view.among(cases), layers(cases)
    shown = lines(cases, people)
    top, bottom = 0.36, 0.4
    fig = plots.figure(_height(shown) + top + bottom)
    left = plots.margin(people) + 0.06
    axes = plots.rows(fig, len(shown), left=left, right=0.95, top=top, bottom=bottom)
    draw_stacked(axes, shown, names, left)
    axes.set_xlabel(title)
    legend(fig, names, (0.01, 1))
    return fig


def draw_stacked(axes, shown: list, names: list, left: float) -> None:
    """Draws the bars into axes whose left margin is `left`."""
    most = max(case.value(who) for case, who in shown if who)
    axes.set_xlim(0, most or 1)
    for y, (case, who) in enumerate(shown):
        if who is None:
            plots.heading(axes, y, case.name(), left)
            continue
        plots.beside(axes, y, who.label, points=-7, ha="right", color=plots.INK)
        plots.beside(axes, y, "\u258c", points=-2, ha="center", color=who.color)
        cell, start = case.cells[who.key], 0
        parts = by_layer(cell) or {"": cell.value}
        for layer in [*names, *[name for name in parts if name not in names]]:
            if layer not in parts:
                continue
            color = plots.layer_color(layer, names) if layer else plots.FAINT
            axes.barh(y, parts[layer], left=start, height=0.74, color=color, edgecolor="white")
            if parts[layer] > 0.09 * most:
                dark = layer in ("driver",)
                axes.text(start + parts[layer] / 2, y, words.number(parts[layer]), ha="center",
                          va="center", size=plots.FONT - 2, color="white" if dark else plots.INK)
            start += parts[layer]
        _end(axes, y, case, who, start)
    axes.set_yticks([])


def _end(axes, y: float, case, who, length: float) -> None:
    """Writes the figure behind its bar, and how it compares."""
    found = judge.judge(case, who)
    against = f"  {words.change(found.value)}" if found else ""
    axes.annotate(words.number(case.value(who)) + against, (length, y), (4, 0),
                  textcoords="offset points", va="center", annotation_clip=False,
                  weight="bold" if found and found.called else "normal", size=plots.FONT - 1)


def legend(fig, names: list, place: tuple) -> None:
    """Names the colours of the layers; `place` is the upper left corner in parts of the figure."""
    from matplotlib.patches import Patch
    handles = [Patch(facecolor=plots.layer_color(name, names), edgecolor="white") for name in names]
    if handles:
        fig.legend(handles, names, loc="upper left", bbox_to_anchor=place, ncol=len(names),
                   borderaxespad=0.3, handlelength=1.1, columnspacing=1.2)


def plain(view, cases: list, title: str):
    """Returns the figure of one quantity, a group of bars for each case."""
    people = view.among(cases)
    shown = lines(cases, people)
    top, bottom = 0.08, 0.4
    fig = plots.figure(_height(shown) + top + bottom)
    left = plots.margin(people)
    axes = plots.rows(fig, len(shown), left=left, right=0.95, top=top, bottom=bottom)
    most = max(case.value(who) for case, who in shown if who)
    axes.set_xlim(0, most or 1)
    for y, (case, who) in enumerate(shown):
        if who is None:
            plots.heading(axes, y, case.name(), left)
            continue
        plots.beside(axes, y, who.label, points=-4, ha="right")
        axes.barh(y, case.value(who), height=0.74, color=who.color, edgecolor="white")
        _end(axes, y, case, who, case.value(who))
    axes.set_yticks([])
    axes.set_xlabel(title)
    return fig
