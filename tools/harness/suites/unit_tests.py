# SPDX-License-Identifier: GPL-2.0
"""`harness.py unit-tests`: the unit tests of the harness itself, by pytest. Options of pytest's are passed on to it."""

import re

from ..host import needs, setup
from ..paths import REPO
from ..report.results import Results
from ..report.tap import Test
from . import runner

_RESULTS = {"passed": "pass", "failed": "fail", "skipped": "skip"}


class _Collector:
    """A plugin of pytest's that takes what it reports into results of ours."""

    def __init__(self, results: Results):
        self.results = results

    def pytest_runtest_logreport(self, report):
        # Of what comes before and after a test, and of parts of one, only a skip and a failure count.
        if report.when == "call" and not hasattr(report, "context") or not report.passed:
            self.results.tests.append(Test(*_names(report.nodeid), _RESULTS[report.outcome], _reason(report),
                                           report.duration))

    def pytest_collectreport(self, report):
        if report.failed:
            self.results.tests.append(Test(*_names(f"{report.nodeid}::all"), "fail", report.longreprtext))


def _names(nodeid: str) -> tuple:
    """Returns suite and name of a test by what pytest calls it: tools/tests/test_tap.py::test_full_name."""
    path, _, name = nodeid.partition("::")
    return (re.sub(r"tools/tests/(test_)?(\w+)\.py", r"tools/\2", path),
            name.removeprefix("test_").replace("_", " "))


def _reason(report) -> str:
    if report.skipped:
        return report.longrepr[2].removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return f"{crash.message if crash else ''}\n{report.longreprtext}".strip() if report.failed else ""


def run(results: Results, options=()) -> None:
    """Runs tools/tests."""
    # Tests of the report of the benchmark are skipped without.
    setup.offer(needs.bench_needs)
    runner.run([REPO / "tools" / "tests"], "unit-tests", options, lambda: _Collector(results))


def main(args) -> int:
    """Runs the tests and prints the summary."""
    results = Results("unit-tests")
    run(results, args.rest)
    return runner.finish(results, args.rest)
