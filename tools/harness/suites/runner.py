# SPDX-License-Identifier: GPL-2.0
"""Has pytest run tests, with options that the user gave for it."""

import os

from ..host import needs, setup
from ..paths import OUT, REPO
from ..report.results import Results
from ..say import Failure


def run(tests: list, name: str, options, plugin) -> None:
    """Runs tests with a plugin, and writes JUnit's form of the results to out/<name>.xml. `plugin` returns the plugin,
    which has `results`, and is called when pytest is there. Raises `Failure` if pytest is not there and cannot be
    installed, runs no test, or fails for a reason that no result has; and the `error` that the plugin has, if any."""
    setup.bring(needs.unit_needs)
    import pytest  # Only here: it may just have been installed.
    told = plugin()
    before = len(told.results.tests)
    status = pytest.main(["-c", str(REPO / "pytest.ini"), "--quiet", "--continue-on-collection-errors",
                          f"--junitxml={OUT / name}.xml", *options, *map(str, tests)], plugins=[told])
    if status == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    if status in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        raise Failure(f"pytest could not run the tests (status {int(status)})")
    if status == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise Failure("pytest found no test to run")
    if status == pytest.ExitCode.TESTS_FAILED and not told.results.count("fail"):
        raise Failure("pytest failed, and no test did")
    if getattr(told, "error", None):
        raise told.error
    if len(told.results.tests) == before and not _lists(options):
        # The environment has options, too.
        raise Failure(f"pytest ran no test (PYTEST_ADDOPTS={os.environ.get('PYTEST_ADDOPTS', '')})")


def _lists(options) -> bool:
    """Returns whether options of pytest have it list the tests only."""
    return bool({"--collect-only", "--co"} & set(options))


def finish(results: Results, options) -> int:
    """Finishes the results, unless the options have pytest list the tests only. Returns the exit status."""
    if _lists(options):
        return 1 if results.count("fail") else 0
    return results.finish()
