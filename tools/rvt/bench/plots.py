# SPDX-License-Identifier: GPL-2.0
"""Charts by matplotlib, as SVG whose text stays text."""

import importlib.util
import io
import sys

from ..say import Failure

#: In inches. At this width a chart is as wide as a phone and its text is still readable there.
WIDTH = 5.3
#: In points.
FONT = 9

#: Colours of the layers of an operation, after Paul Tol's muted scheme for colour-blind readers.
LAYERS = {"driver": "#332288", "ring": "#44aa99", "transport": "#ddcc77", "kernel": "#b5b5b5",
          "user": "#dddddd"}
_OTHER_LAYERS = ("#cc6677", "#aa4499", "#999933", "#88ccee")
#: Said where there is nothing to draw with.
MISSING = f"matplotlib is not installed for {sys.executable} (make setup)"

INK = "#222222"
FAINT = "#8a8a8a"
GRID = "#e3e3e3"


def available() -> bool:
    """Returns whether there is a plotting library."""
    return importlib.util.find_spec("matplotlib") is not None


def layer_color(layer: str, known: list) -> str:
    """Returns the colour of a layer; `known` are all layers of the report."""
    if layer in LAYERS:
        return LAYERS[layer]
    others = [name for name in known if name not in LAYERS]
    return _OTHER_LAYERS[others.index(layer) % len(_OTHER_LAYERS)]


def figure(height: float, width: float = WIDTH):
    """Returns an empty figure of some height in inches.

    # Errors

    `Failure` if there is no plotting library.
    """
    if not available():
        raise Failure(MISSING)
    import matplotlib  # Only here: the rest of the report does without it.
    from matplotlib.figure import Figure
    matplotlib.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "rust-virtio", "font.size": FONT,
        "font.family": ["sans-serif"], "font.sans-serif": ["DejaVu Sans"],
        "axes.edgecolor": FAINT, "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK,
        "ytick.color": INK, "axes.linewidth": 0.8, "axes.spines.top": False,
        "axes.spines.right": False, "xtick.labelsize": FONT - 1, "ytick.labelsize": FONT - 1,
        "axes.titlesize": FONT, "axes.titleweight": "bold", "legend.frameon": False,
        "legend.fontsize": FONT - 1, "patch.linewidth": 0.6})
    return Figure(figsize=(width, height))


def to_svg(fig) -> str:
    """Returns a figure as the text of an SVG file."""
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    FigureCanvasSVG(fig)
    out = io.StringIO()
    fig.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None,
                                             "Type": None})
    return out.getvalue()


def rows(fig, count: int, *, left: float, right: float, top: float, bottom: float):
    """Returns axes for `count` horizontal rows, the first one on top. Margins are in inches."""
    width, height = fig.get_size_inches()
    axes = fig.add_axes([left / width, bottom / height, (width - left - right) / width,
                         (height - top - bottom) / height])
    axes.set_ylim(count - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_axisbelow(True)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    return axes


def margin(people: list) -> float:
    """Returns the left margin, in inches, that the labels of rows need."""
    longest = max((len(who.label) for who in people), default=0)
    return 0.16 + 0.56 * FONT / 72 * max(longest, 12)


def heading(axes, y: float, text: str, left: float) -> None:
    """Writes the title of a group of rows over their labels; `left` is the margin of those."""
    beside(axes, y, text, points=2 - 72 * left, weight="bold")


def beside(axes, y: float, text: str, *, x: float = 0, points: float = 0, **style) -> None:
    """Writes at a place that is a fraction of the width of the axes, shifted by points."""
    axes.annotate(text, (x, y), (points, 0), xycoords=axes.get_yaxis_transform(),
                  textcoords="offset points", va="center", annotation_clip=False, **style)
