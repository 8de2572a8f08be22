# SPDX-License-Identifier: GPL-2.0
"""Has pytest run tests, with options that the user gave for it."""

from ..host import needs, setup
from ..paths import OUT, REPO
from ..report.results import Results
from ..say import Failure


def run(tests: list, name: str, options, plugin):
    """Runs tests with a plugin, and writes JUnit's form of the results to out/<name>.xml. `plugin` returns the
    plugin, which has `results`, and is called when pytest is there.

    # Errors

    `Failure` if pytest is not there and cannot be installed, finds no test, or fails for a reason that no result has.
    """
    setup.bring(needs.unit_needs)
    import pytest  # Only here: it may just have been installed.
    told = plugin()
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
    return told


def finish(results: Results, options) -> int:
    """Finishes the results, unless the options have pytest list the tests only. Returns the exit status."""
    if {"--collect-only", "--co"} & set(options):
        return 1 if results.count("fail") else 0
    return results.finish()
