# SPDX-License-Identifier: GPL-2.0
"""`harness.py test`: make check, the harness's own tests, those of the ring core, clippy, KUnit in modules and built
in, the selftests, set-up from nothing, the parity table."""

import os

from ..build import clippy, kernel
from ..checks import check
from ..fresh import fresh
from ..guest import image
from ..host import setup
from ..in_tree import kunit_py
from ..package import teststock
from ..report import parity, results
from ..report.parts import Parts
from ..report.results import Results
from ..ring import hosttest
from ..say import say
from . import buildtest, legs, unit_tests


def _kernel(_results: Results) -> None:
    """Builds what guests are made of, so that no test is blamed for its time."""
    kernel.directory(os.environ.get("VARIANT", ""))
    image.ensure()


#: Name -> what adds its results. Those that need no kernel come first.
PARTS = {"check": check.run, "unit-tests": unit_tests.run, "hosttest": hosttest.run, "kernel": _kernel,
         "clippy": clippy.run_test, "build": buildtest.run, "kunit": legs.run_kunit, "in-tree": kunit_py.run,
         "selftest": legs.run_selftests, "fresh": fresh.run}


def run_parts(table: dict, every: Results, parts: Parts) -> None:
    """Runs all parts of a table, also where one fails, and adds their results to `every`."""
    for name, run in table.items():
        part = Results(name)
        with parts.part(name):
            part.attempt(name, "harness", run)
        if part.tests:
            part.write()
        every.tests += part.tests


def main(_args) -> int:
    """Runs everything and prints one summary, and where the time went."""
    every, parts = Results("test"), Parts()
    every.earlier = [test for test in results.load("test") if teststock.is_of_story(test)]
    if setup.TOOK.exists():
        # It has just run: make does that first.
        parts.seconds["set-up"] = float(setup.TOOK.read_text())
        setup.TOOK.unlink()
    run_parts(PARTS, every, parts)
    say("Parity: docs/parity-tests.md against these results")
    every.add([parity.as_test(every.tests)])
    status = every.finish()
    parts.finish(every.path())
    return status
