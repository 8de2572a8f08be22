# SPDX-License-Identifier: GPL-2.0
"""Makes the page, the table and the picture of a report that is there already."""

import argparse
from pathlib import Path

from harness.say import say

from .. import results
from . import charts, figures, page, terminal


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--render", action="store_true",
                        help="measure nothing: make the page of the figures that are there")
    parser.add_argument("--from", dest="source", default="", metavar="FILE",
                        help="the figures to use for that (default: those of --out)")
    parser.add_argument("--picture", default="", metavar="FILE",
                        help="measure nothing: draw the main figures into an SVG or PNG file")
    parser.add_argument("--figures", action="store_true",
                        help="measure nothing: keep the figures in docs/figures.json, for make docs")


def asked(args) -> bool:
    """Returns whether nothing is to be measured."""
    return bool(args.render or args.picture or args.source or args.figures)


def main(args, base) -> int:
    """Makes what was asked for."""
    report = results.load(args.source or args.out)
    if args.picture:
        charts.picture(report, Path(args.picture))
        say(f"Picture: {args.picture}")
    if args.figures:
        figures.keep(report)
        say(f"Figures: {figures.FILE}; make docs makes the tables and the picture")
    if (args.picture or args.figures) and not args.render:
        return 0
    made = show(report, base)
    if made:
        say(f"To look at: {made}")
    return 0 if made else 1


def show(report, base=None):
    """Writes the page and prints the tables. Returns the path of the page, None if there is none."""
    made = page.write(report, base)
    print(terminal.text(report))
    if base:
        print(terminal.changes(report, base))
    return made
