# SPDX-License-Identifier: GPL-2.0
"""Ratios with their spread, and distributions of latency."""

from . import judge, plots, ratio, words

_ROW = 0.2
_MARKS = {ratio.FASTER: "better", ratio.SLOWER: "worse", ratio.SAME: "no difference",
          ratio.WIDE_SPREAD: "too wide to call"}


def lines(view, cases: list) -> list:
    """Returns the rows: a title for each case, then everyone who has a ratio."""
    found = []
    for case in cases:
        rated = [(case, who, judge.judge(case, who)) for who in view.everyone]
        rated = [line for line in rated if line[2]]
        found += [(case, None, None), *rated] if rated else []
    return found


def ratios(view, cases: list, title: str, more_is_better: bool):
    """Returns dots with whiskers around 1, None if nothing has a ratio."""
    shown = lines(view, cases)
    if not shown:
        return None
    top, bottom = 0.3, 0.42
    fig = plots.figure(_ROW * len(shown) + top + bottom)
    left = plots.margin([who for _, who, _ in shown if who])
    axes = plots.rows(fig, len(shown), left=left, right=1.38, top=top, bottom=bottom)
    draw_ratios(axes, shown, more_is_better, left)
    axes.set_xlabel(title)
    return fig


def draw_ratios(axes, shown: list, more_is_better: bool, left: float) -> None:
    """Draws the dots into axes whose left margin is `left`.

    An interval that goes on outside of the axes ends in an arrow.
    """
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator
    several = len({case.metric for case, _, _ in shown}) > 1
    judged = [found for _, _, found in shown if found]
    low, high = _range(judged)
    axes.set_xscale("log")
    axes.set_xlim(low / 1.03, high * 1.03)
    ticks = [t for t in _ticks(low, high) if low / 1.03 <= t <= high * 1.03]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    better = (1, high * 1.03) if more_is_better else (low / 1.03, 1)
    axes.axvspan(*better, color="#eef5ee", zorder=0, linewidth=0)
    axes.axvline(1, color=plots.FAINT, linewidth=1, zorder=1)
    text, shift, align = ("better \u2192", 4, "left") if more_is_better else \
        ("\u2190 better", -4, "right")
    axes.annotate(text, (1, 1), (shift, 3), xycoords=("data", "axes fraction"), ha=align,
                  textcoords="offset points", size=plots.FONT - 1, color="#3d6b3d")
    for y, (case, who, found) in enumerate(shown):
        if who is None:
            name = case.name() + (f", {words.metric(case.metric)}" if several else "")
            plots.heading(axes, y, name, left)
            continue
        plots.beside(axes, y, who.label, points=-4, ha="right")
        axes.plot([found.low, found.high], [y, y], color=who.color, linewidth=1.6,
                  solid_capstyle="butt", zorder=2)
        for end, mark, beyond in ((low / 1.02, "<", found.low < low),
                                  (high * 1.02, ">", found.high > high)):
            if beyond:
                axes.plot([end], [y], marker=mark, markersize=4, color=who.color, zorder=3)
        axes.plot([found.value], [y], marker="D" if found.called else "o", markersize=5,
                  color=who.color, markerfacecolor=who.color if found.called else "white", zorder=3)
        plots.beside(axes, y, f"{words.factor(found.value)} {_MARKS[found.verdict]}", x=1,
                     points=5, weight="bold" if found.called else "normal", size=plots.FONT - 1)
    axes.set_yticks([])


def _range(judged: list) -> tuple:
    """Returns what ratios to show: all, and of their intervals up to twice as far as the last one.

    One very wide interval would leave no room to see the others.
    """
    least, most = min(found.value for found in judged), max(found.value for found in judged)
    low = max(min(found.low for found in judged), least / 2)
    high = min(max(found.high for found in judged), most * 2)
    return min(0.95, low), max(1.05, high)


def _ticks(low: float, high: float) -> list:
    """Returns round ratios, as many as fit."""
    wide = high / low
    if wide < 1.3:
        return [0.8, 0.85, 0.9, 0.95, 1, 1.05, 1.1, 1.15, 1.2]
    if wide < 2:
        return [0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.4, 1.6]
    if wide < 6:
        return [0.25, 0.35, 0.5, 0.7, 1, 1.2, 1.5, 2, 3, 4]
    return [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]


def distribution(view, case):
    """Returns the cumulative distribution of a case's latencies, None if there is none."""
    people = [who for who in view.among([case]) if case.cells[who.key].cdf]
    if not people:
        return None
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter, NullLocator
    fig = plots.figure(2.5)
    axes = fig.add_axes([0.11, 0.19, 0.86, 0.69])
    least, most = float("inf"), 0
    for who in people:
        points = sorted(case.cells[who.key].cdf)
        axes.step([p[0] for p in points], [p[1] for p in points], where="post", color=who.color,
                  label=who.label, linewidth=1.5)
        least = min([least, *[p[0] for p in points if p[0] > 0 and p[1] >= 0.001]])
        most = max([most, *[p[0] for p in points if p[1] <= 0.995]])
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 0.99])
    axes.set_yticklabels(["0", "25 %", "50 %", "75 %", "99 %"])
    axes.grid(color=plots.GRID, linewidth=0.7)
    axes.set_xscale("log")
    if 0 < least < most:
        axes.set_xlim(least, most)
        axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]) if most < 8 * least
                                     else axes.xaxis.get_major_locator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel(f"latency, {case.unit}")
    axes.set_title(case.name(), loc="left")
    axes.legend(loc="lower right")
    return fig
