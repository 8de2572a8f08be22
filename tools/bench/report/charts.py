# SPDX-License-Identifier: GPL-2.0
"""Charts by matplotlib, as SVG whose text stays text."""

import importlib.util
import io
import re
import sys
from pathlib import Path

from harness.say import Failure

from .. import ratio
from . import words
from .model import MORE, Case, Model, layers
from .summary import MAIN

#: Said without the library.
MISSING = f"matplotlib is not installed for {sys.executable} (make bench installs it)"
#: In inches. At this width a chart is as wide as a phone and its text is still readable there.
_WIDTH, _ROW, _REST = 5.3, 0.235, 0.75
#: In pixels of the page.
_WIDEST = 610
#: Colours of the layers of an operation, after Paul Tol's muted scheme for colour-blind readers.
_LAYERS = {"driver": "#332288", "ring": "#44aa99", "transport": "#ddcc77", "kernel": "#b5b5b5",
           "user": "#dddddd"}
_OTHER_LAYERS = ("#cc6677", "#aa4499", "#999933", "#88ccee")
_INK, _FAINT = "#222222", "#8a8a8a"
_STYLE = {"svg.fonttype": "none", "font.size": 9, "font.family": ["DejaVu Sans"], "axes.edgecolor": _FAINT,
          "axes.labelcolor": _INK, "text.color": _INK, "xtick.color": _INK, "ytick.color": _INK,
          "axes.linewidth": 0.8, "axes.spines.top": False, "axes.spines.right": False, "xtick.labelsize": 8,
          "axes.titlesize": 9, "axes.titleweight": "bold", "legend.frameon": False, "legend.fontsize": 8,
          "axes.axisbelow": True, "axes.grid": True, "axes.grid.axis": "x", "grid.color": "#e3e3e3",
          "ytick.major.size": 0}
#: No more than so many ratios are in the picture; the surest ones stay.
_RATIOS = 9


def available() -> bool:
    """Returns whether there is a plotting library."""
    return importlib.util.find_spec("matplotlib") is not None


def rows(model, cases: list, shown) -> list:
    """Returns the rows of a chart: a title for each case, (case, None), then (case, subject) for each `shown`."""
    found = []
    for case in cases:
        mine = [(case, subject) for subject in model.subjects if shown(case, subject)]
        found += [(case, None), *mine] if mine else []
    return found


class Page:
    """Draws the charts of one page, which have no ids in common."""

    def __init__(self, model):
        self._model = model
        self._count = 0

    def bars(self, cases: list, title: str, stacked: bool = False) -> str:
        """Returns a group of bars for each case."""
        found = rows(self._model, cases, lambda case, subject: case.value(subject) is not None)
        return self._draw(_bars, found, title, stacked)

    def ratios(self, cases: list, title: str, more_is_better: bool) -> str:
        """Returns dots with whiskers around 1."""
        return self._draw(_ratios, rows(self._model, cases, Case.against), title, more_is_better)

    def distribution(self, case) -> str:
        """Returns the cumulative distribution of a case's latencies."""
        subjects = [subject for subject in self._model.among([case]) if case.results[subject.key].cdf]
        return self._draw(_distribution, subjects, case)

    def growth(self, cases: list) -> str:
        """Returns a line for each subject over the points of an axis."""
        return self._draw(_lines, cases, self._model)

    def _draw(self, draw, content: list, *arguments) -> str:
        """Returns a chart, "" if there is nothing to draw, or nothing to draw with."""
        if not content or not available():
            return ""
        self._count += 1
        height = 2.5 if draw in (_distribution, _lines) else _ROW * len(content) + _REST
        figure = _figure(_WIDTH, height, f"chart {self._count}")
        draw(figure.subplots(), content, *arguments)
        text = _svg(figure)
        # What has no meaning inside a page, and ids that nothing refers to, which all charts have in common.
        text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text[text.index("<svg"):], flags=re.S)
        text = re.sub(r'<svg[^>]*(viewBox="[^"]*")[^>]*>', rf'<svg style="max-width:{_WIDEST}px" \1>', text, count=1)
        used = set(re.findall(r"#([^\")]+)", text))
        return re.sub(r' id="([^"]*)"', lambda found: found[0] if found[1] in used else "", text)


def _figure(width: float, height: float, salt: str):
    """Returns an empty figure; `salt` makes its ids different from those of other figures."""
    if not available():
        raise Failure(MISSING)
    import matplotlib  # Only here: the rest of the report does without it.
    from matplotlib.figure import Figure
    matplotlib.rcParams.update({**_STYLE, "svg.hashsalt": salt})
    return Figure(figsize=(width, height), layout="constrained")


def _svg(figure) -> str:
    out = io.StringIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return out.getvalue()


def _frame(axes, shown: list, title: str, name) -> None:
    """Sets the rows up, the first one on top; `name` returns the title of a case."""
    axes.set_ylim(len(shown) - 0.5, -0.5)
    lines = [(y, subject.label) for y, (_, subject) in enumerate(shown) if subject]
    axes.set_yticks([y for y, _ in lines], [label for _, label in lines])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(title)
    for y, (case, subject) in enumerate(shown):
        if subject is None:
            axes.text(0, y, name(case), transform=axes.get_yaxis_transform(), va="center", weight="bold")


def _bars(axes, shown: list, title: str, stacked: bool) -> None:
    """Draws bars; `stacked` ones by layer, others in the colours of their subjects."""
    _frame(axes, shown, title, lambda case: case.name())
    bars = [(y, case, subject) for y, (case, subject) in enumerate(shown) if subject]
    most = max(case.value(subject) for _, case, subject in bars) or 1
    names = layers([case for _, case, _ in bars]) if stacked else []
    colors = {**dict(zip([name for name in names if name not in _LAYERS], _OTHER_LAYERS * len(names))), **_LAYERS}
    axes.set_xlim(0, 1.28 * most)
    for y, case, subject in bars:
        parts, start = case.layers(subject) if stacked else {}, 0
        for layer in [name for name in names if name in parts] or [""]:
            value = parts.get(layer, case.value(subject))
            axes.barh(y, value, left=start, height=0.74, edgecolor="white", linewidth=0.6,
                      color=colors.get(layer, _FAINT if stacked else subject.color))
            if layer and value > 0.09 * most:
                axes.text(start + value / 2, y, words.number(value), ha="center", va="center", size=7,
                          color="white" if layer == "driver" else _INK)
            start += value
        _mark(axes, start, y, case, subject, words.number(case.value(subject)),
              lambda found: words.change(found["value"]))
    if names:
        for name in names:
            axes.barh(0, 0, color=colors[name], label=name)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncol=len(names), borderaxespad=0.1,
                    handlelength=1.1, columnspacing=1.2)


def _mark(axes, x: float, y: float, case, subject, text: str, compared, **place) -> None:
    """Writes a figure behind its row with the comparison, bold if that is called a difference."""
    found = case.against(subject)
    axes.annotate(f"{text}  {compared(found) if found else ''}".strip(), (x, y), (4, 0), va="center", size=8,
                  textcoords="offset points", weight="bold" if ratio.called(found) else "normal", **place)


def _ratios(axes, shown: list, title: str, more_is_better: bool) -> None:
    """Draws ratios: all, and of their intervals up to twice as far as the last one.

    One very wide interval would leave no room to see the others.
    """
    several = len({case.metric for case, _ in shown}) > 1
    _frame(axes, shown, title, lambda case: case.title() if several else case.name())
    dots = [(y, case, subject, case.against(subject)) for y, (case, subject) in enumerate(shown) if subject]
    least, most = (pick(found["value"] for *_, found in dots) for pick in (min, max))
    low = min(0.95, max(min(found["low"] for *_, found in dots), least / 2)) / 1.03
    high = max(1.05, min(max(found["high"] for *_, found in dots), most * 2)) * 1.03
    axes.set_xlim(low, high)
    axes.axvspan(*((1, high) if more_is_better else (low, 1)), color="#eef5ee", zorder=0, linewidth=0)
    axes.axvline(1, color=_FAINT, linewidth=1, zorder=1)
    axes.annotate("better \u2192" if more_is_better else "\u2190 better", (1, 1), (4 if more_is_better else -4, 3),
                  xycoords=("data", "axes fraction"), ha="left" if more_is_better else "right",
                  textcoords="offset points", size=8, color="#3d6b3d")
    for y, case, subject, found in dots:
        called = ratio.called(found)
        axes.plot([found["low"], found["high"]], [y, y], color=subject.color, linewidth=1.6, zorder=2)
        axes.plot([found["value"]], [y], marker="D" if called else "o", markersize=5, zorder=3, color=subject.color,
                  markerfacecolor=subject.color if called else "white")
        _mark(axes, 1, y, case, subject, words.factor(found["value"]), lambda found: found["verdict"],
              xycoords=axes.get_yaxis_transform(), annotation_clip=False)


def _distribution(axes, subjects: list, case) -> None:
    """Draws the part of the operations that took no longer than a time, without the longest of all."""
    from matplotlib.ticker import LogFormatter
    every = [point for subject in subjects for point in case.results[subject.key].cdf]
    axes.set_xscale("log")  # The tail is many times as long as most operations take.
    axes.xaxis.set_major_formatter(LogFormatter())
    axes.xaxis.set_minor_formatter(LogFormatter())
    for subject in subjects:
        axes.step(*zip(*sorted(case.results[subject.key].cdf)), where="post", color=subject.color,
                  label=subject.label)
    axes.set_xlim(min((value for value, part in every if value > 0 and part >= 0.001), default=None),
                  max((value for value, part in every if part <= 0.995), default=None))
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 0.99], ["0", "25 %", "50 %", "75 %", "99 %"])
    axes.grid(which="both", axis="both")
    axes.set_xlabel(f"latency, {case.unit}")
    axes.set_title(case.name(), loc="left")
    axes.legend(loc="lower right")


def _lines(axes, cases: list, model) -> None:
    """Draws how a figure grows, from the least point of an axis to the most, with the scale from zero on."""
    axis = cases[0].axis
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.set_xticks([case.options[axis] for case in cases], minor=False)
    axes.minorticks_off()
    for subject in model.among(cases):
        known = [(case.options[axis], case.value(subject)) for case in cases if case.value(subject) is not None]
        if known:
            axes.plot(*zip(*known), color=subject.color, marker="o", markersize=3.5, linewidth=1.4, label=subject.label)
    axes.set_ylim(bottom=0)
    axes.grid(which="major", axis="both")
    axes.set_xlabel(words.axis(axis))
    axes.set_ylabel(cases[0].unit)
    axes.set_title(f"{cases[0].workload}: {words.axis(axis)}", loc="left")
    axes.legend(loc="best")


def growth_picture(model) -> str:
    """Returns the growth of driver and ring instructions as one SVG, a chart for each work and axis."""
    groups = model.growth(MAIN)
    across = 2
    down = -(-len(groups) // across)
    figure = _figure(9.6, 2.4 * down, "growth")
    for number, axes in enumerate(figure.subplots(down, across, squeeze=False).flat):
        if number < len(groups):
            _lines(axes, groups[number], model)
        else:
            axes.set_visible(False)
    return _svg(figure)


def picture(report, path: Path) -> None:
    """Draws the costs of operations beside the ratios of rates, to be shown without the page. Raises `Failure` if the
    report has neither, or the file's type is not known."""
    if path.suffix not in (".svg", ".png"):
        raise Failure(f"{path}: the picture has to be an .svg or .png file")
    model = Model(report)
    rates = [case for case in model.rated() if case.metric in MORE]
    surest = sorted(rates, key=lambda case: _width(model, case))[:_RATIOS]
    halves = [half for half in (
        (_bars, rows(model, model.headlines(model.of(MAIN)), lambda case, subject: case.value(subject) is not None),
         "What one operation costs", "guest instructions per operation (less is better)"),
        (_ratios, rows(model, [case for case in rates if case in surest], Case.against),
         "Throughput beside the baseline", "throughput, ratio to the baseline (more is better)")) if half[1]]
    if not halves:
        raise Failure(f"{report.path} has nothing to draw: no costs and no ratios")
    most = max(len(shown) for _, shown, _, _ in halves)
    figure = _figure(9.6, 0.22 * most + 1.3, "picture")
    for axes, (draw, shown, title, label) in zip(figure.subplots(1, len(halves), squeeze=False)[0], halves):
        draw(axes, shown, label, True)
        axes.set_ylim(most - 0.5, -0.5)
        axes.set_title(title, loc="left", size=11, pad=22)
    told = [str(report.about[name]) for name in ("guest kernel", "qemu", "accelerator", "cpu")
            if report.about.get(name)]
    figure.supxlabel(("Linux " if report.about.get("guest kernel") else "") + ", ".join(told), size=7,
                     color="#666666", x=0.01, ha="left")
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".svg":
        path.write_text(_svg(figure), encoding="utf-8")
    else:
        figure.savefig(path, dpi=144)


def _width(model, case) -> float:
    """Returns how wide the widest interval of a case is, whichever way it points."""
    found = [case.against(subject) for subject in model.rivals([case])]
    return max((one["high"] / one["low"] if one["low"] > 0 else float("inf") for one in found), default=0)
