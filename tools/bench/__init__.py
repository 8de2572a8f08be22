# SPDX-License-Identifier: GPL-2.0
"""`harness.py bench`: what the drivers cost, Rust against C.

The work is in parts, each a module of this package with a `TITLE` and a `run(bench)`. Every part adds
results to the report; one that fails leaves the others running and makes the exit status 1.
"""

import argparse
import dataclasses
import importlib
import os
import shlex
import time
import traceback
from pathlib import Path

from harness.build import kernel, modules, stock
from harness.host import needs, setup
from harness.paths import OUT
from harness.say import Failure, say

from . import about, results, stacks
from .report import render

#: In the order they run: the steering figure first.
PARTS = ("cost", "paths", "lines", "matrix", "throughput", "classic", "memory", "uml", "host", "growth")
#: Those that run only if they are asked for, as they take long.
_ASKED = ("growth",)
#: Those that have no guest, or one with a kernel of its own.
_OWN_KERNEL = ("uml", "host")
#: The parts of bench-quick, each in its quick form.
QUICK = ("cost", "throughput", "memory", "uml", "host")


@dataclasses.dataclass
class Bench:
    """The input of a part."""

    report: results.Report
    #: The stacks to compare, the baseline (C driver, C ring) first.
    stacks: list
    #: True for a run that takes minutes.
    quick: bool
    kdir: Path
    #: Our .ko files.
    ours: list
    #: The command that the user gave, for the results.
    command: str

    def layer(self, module: str) -> str:
        """Returns the layer of a module: driver, ring, transport, or kernel."""
        return stacks.layers().get(module, "kernel")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--quick", action="store_true", help="the main figures, in minutes")
    parser.add_argument("--only", default=os.environ.get("LEGS", ""),
                        help=f"parts to run, of: {' '.join(PARTS)} (also LEGS=)")
    parser.add_argument("--stacks", default=os.environ.get("STACKS", ""),
                        help="stacks to compare, as driver-ring, e.g. c-c,rust-c (also STACKS=)")
    parser.add_argument("--base", default=os.environ.get("BASE", ""),
                        help="an older bench.json to compare with (also BASE=)")
    parser.add_argument("--keep", action="store_true", default=bool(os.environ.get("KEEP")),
                        help="add to the results of the last run instead of starting anew")
    parser.add_argument("--out", default=str(OUT / "bench.json"), help="where the results go")
    render.arguments(parser)


def main(args) -> int:
    """Runs the benchmark, writes the report, and prints a table."""
    start = time.monotonic()
    setup.offer(needs.bench_needs)
    base = results.load(args.base, "BASE=") if args.base else None
    if render.asked(args):
        return render.main(args, base)
    parts = _names(args.only, PARTS, "part of the benchmark") or default(args.quick)
    kdir = kernel.directory()
    kernel.check_guest(kdir)
    ours = modules.build(kdir)
    path = Path(args.out)
    report = results.load(path) if args.keep and path.exists() else results.Report(path, {})
    report.begin("")
    chosen = _stacks(args.stacks, ours, report)
    report.about = about.collect(kdir, chosen, report.about)
    bench = Bench(report, chosen, args.quick, kdir, ours, _command(args))
    say(f"Benchmark: {', '.join(parts)}; {', '.join(stack.label for stack in chosen)}")
    for name in parts:
        _run(bench, name)
    report.part = ""
    return _finish(report, base, time.monotonic() - start)


def default(quick: bool) -> list:
    """Returns the parts of a run that asks for none."""
    return list(QUICK) if quick else [part for part in PARTS if part not in _ASKED]


def _names(text: str, known: list, what: str) -> list:
    """Returns the names in what the user asked for, all of which have to be known."""
    names = text.replace(",", " ").split()
    wrong = sorted(set(names) - set(known))
    if wrong:
        raise Failure(f"no such {what}: {', '.join(wrong)}; there are: {', '.join(known)}")
    return names


def _stacks(wanted: str, ours: list, report) -> list:
    """Returns the stacks to compare; those whose modules were not built are left out."""
    every = stacks.all_stacks()
    names = _names(wanted, [stack.name for stack in every], "stack")
    built = {path.stem for path in ours}
    chosen = []
    for stack in every:
        if names and stack.name not in names:
            continue
        mine = [m for m in [*stack.modules, *stack.replaces.values()] if m.startswith("rust_")]
        absent = [module for module in mine if module not in built]
        if absent:
            report.skip(stack.label, f"the build made no {', '.join(absent)}")
        else:
            chosen.append(stack)
    if not chosen:
        raise Failure("no stack is left to measure")
    return chosen


def _command(args) -> str:
    """Returns how to get these figures again."""
    words = [f"make bench{'-quick' if args.quick else ''}"]
    for name, value in (("KERNEL", stock.asked()), ("LEGS", args.only), ("STACKS", args.stacks)):
        if value:
            words.append(f"{name}={shlex.quote(value)}")
    return " ".join(words)


def _run(bench: Bench, name: str) -> None:
    """Runs one part, whatever becomes of it."""
    part = importlib.import_module(f"bench.{name}")
    say(f"{part.TITLE}")
    bench.report.begin(name)
    # Results of a kernel from packages are beside those of the usual one, as another case.
    kernel_name = stock.about(bench.kdir)["name"] if stock.is_stock(bench.kdir) else ""
    bench.report.common = {"kernel": kernel_name} if kernel_name and name not in _OWN_KERNEL else {}
    try:
        part.run(bench)
    except Failure as failure:
        bench.report.problem(name, str(failure))
    except Exception:  # A mistake in one part is no reason to lose the others.
        bench.report.problem(name, f"mistake in the benchmark:\n{traceback.format_exc()}")
    finally:
        bench.report.write()


def _finish(report, base, seconds: float) -> int:
    """Writes and prints the report and returns the exit status."""
    report.write()
    page = render.show(report, base)
    say(f"Took {seconds / 60:.1f} min. Figures: {report.path}." + (f" To look at: {page}" if page else ""))
    for problem in report.problems:
        print(f"problem: {problem['what']}: {problem['why']}")
    return 1 if report.problems else 0
