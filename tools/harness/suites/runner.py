# SPDX-License-Identifier: GPL-2.0
"""Has pytest run tests, with options that the user gave for it."""

import os

from ..host import needs, setup
from ..paths import OUT, REPO
from ..report.results import Results
from ..say import Failure

#: Options by which pytest prints something, and runs no test.
_PRINTING = {"--collect-only", "--co", "--fixtures", "--funcargs", "--fixtures-per-test", "--markers", "--setup-only",
             "--setup-plan", "--cache-show", "--version", "-V"}


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
    if len(told.results.tests) == before and not _prints(options):
        # The environment has options, too.
        raise Failure(f"pytest ran no test (PYTEST_ADDOPTS={os.environ.get('PYTEST_ADDOPTS', '')})")


def _prints(options) -> bool:
    """Returns whether options of pytest have it print something only."""
    return any(option.partition("=")[0] in _PRINTING for option in options)


def finish(results: Results, options) -> int:
    """Finishes the results, unless the options have pytest print something only. Returns the exit status."""
    if _prints(options):
        return 1 if results.count("fail") else 0
    return results.finish()
