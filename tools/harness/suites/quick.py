# SPDX-License-Identifier: GPL-2.0
"""`harness.py quick`: what says in minutes whether a change is worth a `make test`, without a guest: make check,
the tests of the harness and of the ring core, and the modules with their suites, against a kernel that is
there."""

import os

from ..build import kernel, modules, stock
from ..checks import check
from ..report.parts import Parts
from ..report.results import Results
from ..report.tap import Test
from ..ring import hosttest
from . import refused, unit_tests
from .testall import run_parts


def _ring(results: Results) -> None:
    hosttest.plain(results, "is left to make hosttest")


def _modules(results: Results) -> None:
    """Builds the modules with their suites, and has the compiler refuse what it must."""
    name = "the modules and their suites compile"
    if not (os.environ.get("KDIR") or stock.asked() or kernel.is_built("")):
        results.add([Test("modules", name, "skip", "no kernel was built here yet: make kernel")])
        return
    kdir = kernel.directory()
    kunit = not stock.is_stock(kdir)
    modules.build(kdir, kunit)
    results.add([Test("modules", name, "pass"), *refused.run(modules.output_dir(kdir, kunit))])


PARTS = {"check": check.run, "unit-tests": unit_tests.run, "ring": _ring, "modules": _modules}


def main(_args) -> int:
    """Runs the parts, and prints a summary and where the time went."""
    every, parts = Results("quick"), Parts()
    run_parts(PARTS, every, parts)
    status = every.finish()
    parts.finish(every.path())
    return status
