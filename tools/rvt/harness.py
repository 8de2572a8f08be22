# SPDX-License-Identifier: GPL-2.0
"""`rvt.py harness`: the unit tests of the harness itself, on the host."""

import time
import unittest

from .paths import REPO
from .results import Results
from .tap import Test


class _Collector(unittest.TestResult):
    """Turns unittest's results into ours."""

    def __init__(self):
        super().__init__()
        self.tests = []
        self._start = 0.0

    def startTest(self, test):
        super().startTest(test)
        self._start = time.monotonic()

    def _add(self, test, result: str, reason: str = "") -> None:
        module, _, name = test.id().rpartition(".")[0].partition(".")
        title = test.id().rpartition(".")[2].removeprefix("test_").replace("_", " ")
        suite = f"tools/{module.removeprefix('test_')}"
        self.tests.append(Test(suite, f"{name.lower()}: {title}", result, reason,
                               time.monotonic() - self._start))

    def addSuccess(self, test):
        self._add(test, "pass")

    def addFailure(self, test, err):
        self._add(test, "fail", self._exc_info_to_string(err, test))

    def addError(self, test, err):
        self._add(test, "fail", self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        self._add(test, "skip", reason)

    def addSubTest(self, test, subtest, err):
        if err:
            self._add(test, "fail", self._exc_info_to_string(err, test))


def run(results: Results) -> None:
    """Runs tools/tests."""
    found = unittest.defaultTestLoader.discover(str(REPO / "tools" / "tests"))
    collector = _Collector()
    found.run(collector)
    results.add(collector.tests)


def main(_args) -> int:
    """Runs the tests and prints the summary."""
    results = Results("harness")
    run(results)
    return results.finish()
