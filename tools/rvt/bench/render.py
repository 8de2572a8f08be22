# SPDX-License-Identifier: GPL-2.0
"""Makes the page, the table and the picture of a report that is there already."""

import argparse
import json
from pathlib import Path

from ..say import Failure, say
from . import charts, page, results, terminal


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--render", action="store_true",
                        help="measure nothing: make the page of the figures that are there")
    parser.add_argument("--from", dest="source", default="", metavar="FILE",
                        help="the figures to use for that (default: those of --out)")
    parser.add_argument("--picture", default="", metavar="FILE",
                        help="measure nothing: draw the main figures into an SVG or PNG file")


def asked(args) -> bool:
    """Returns whether nothing is to be measured."""
    return bool(args.render or args.picture or args.source)


def main(args, base) -> int:
    """Makes what was asked for."""
    path = Path(args.source or args.out)
    report = _load(path)
    if args.picture:
        charts.picture(report, Path(args.picture))
        say(f"Picture: {args.picture}")
    if args.render or not args.picture:
        say(f"To look at: {show(report, base)}")
    return 0


def show(report, base=None) -> Path:
    """Writes the page and prints the tables. Returns the path of the page."""
    path = report.path.with_suffix(".html")
    page.write(report, path, base)
    print(terminal.text(report))
    if base:
        print(terminal.changes(report, base))
    return path


def _load(path: Path):
    try:
        return results.load(path)
    except OSError as error:
        raise Failure(f"{path}: {error.strerror} (make bench measures)")
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise Failure(f"{path}: not a report of the benchmark ({error})")
