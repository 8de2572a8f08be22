# SPDX-License-Identifier: GPL-2.0
"""Tests of what the harness makes of pytest's reports, and of finding pytest."""

import types
from unittest import mock

import pytest

from harness.host import needs
from harness.report.results import Results
from harness.report.tap import Test
from harness.say import Failure
from harness.suites import runner, unit_tests


def _report(when: str, outcome: str, longrepr=None):
    return types.SimpleNamespace(
        nodeid="tools/tests/test_tap.py::test_no_plan_fails[a::b]", when=when, outcome=outcome, duration=1.5,
        longrepr=longrepr, longreprtext="a trace", passed=outcome == "passed", skipped=outcome == "skipped",
        failed=outcome == "failed")


@pytest.mark.parametrize("when, outcome, longrepr, result, reason", [
    ("call", "passed", None, "pass", ""),
    ("call", "skipped", ("file", 1, "Skipped: no fio"), "skip", "no fio"),
    ("call", "failed", mock.Mock(**{"reprcrash.message": "1 != 2"}), "fail", "1 != 2\na trace"),
    ("setup", "failed", "a trace", "fail", "a trace"),
])
def test_a_report_is_a_result(when, outcome, longrepr, result, reason):
    results = Results("x")
    unit_tests._Collector(results).pytest_runtest_logreport(_report(when, outcome, longrepr))
    assert results.tests == [Test("tools/tap", "no plan fails[a::b]", result, reason, 1.5)]


def test_what_comes_before_a_test_is_none():
    results = Results("x")
    unit_tests._Collector(results).pytest_runtest_logreport(_report("setup", "passed"))
    assert results.tests == []


def test_a_file_that_cannot_be_read_fails():
    results = Results("x")
    unit_tests._Collector(results).pytest_collectreport(
        types.SimpleNamespace(nodeid="tools/tests/test_tap.py", failed=True, longreprtext="a trace"))
    assert results.tests == [Test("tools/tap", "all", "fail", "a trace")]


@pytest.mark.parametrize("result, status", [("pass", 0), ("fail", 1)])
def test_a_list_of_tests_fails_by_a_file_that_cannot_be_read(result, status):
    results = Results("x")
    results.tests.append(Test("tools/tap", "all", result))
    assert runner.finish(results, ["--co"]) == status


@pytest.fixture
def run_one(tmp_path, write, monkeypatch):
    """Returns a function that has pytest run a test, with an option of the environment and options of the user; and
    returns the results."""
    def run(option: str, options=()) -> list:
        tests, results = [write("test_one.py", "def test_one():\n    pass\n")], Results("x")
        monkeypatch.setenv("PYTEST_ADDOPTS", f"-o cache_dir={tmp_path} --import-mode=importlib {option}")
        runner.run(tests, "x", options, lambda: unit_tests._Collector(results))
        return [test.result for test in results.tests]

    monkeypatch.setattr(runner, "OUT", tmp_path)
    monkeypatch.setattr(runner.setup, "bring", lambda *_: None)
    return run


@pytest.mark.parametrize("option, ran", [
    ("", True), ("--quiet", True), ("--collect-only", False), ("--setup-plan", False), ("--markers", False)])
def test_options_of_the_environment_with_which_nothing_runs_are_an_error(option, ran, run_one):
    if ran:
        assert run_one(option) == ["pass"]
    else:
        with pytest.raises(Failure, match=f"ran no test.*{option}"):
            run_one(option)


@pytest.mark.parametrize("option", ["--co", "--fixtures", "--fixtures-per-test", "--markers", "--setup-plan",
                                    "--cache-show=x", "--version"])
def test_an_option_of_the_user_that_only_prints_is_no_error(option, run_one):
    assert run_one("", [option]) == []
    assert runner.finish(Results("x"), [option]) == 0


@pytest.mark.parametrize("spec, version, text", [
    (None, "7.2", "not found by"), ("there", "6.2.5", "is 6.2.5, older than 7"), ("there", "7.0.1", "")])
def test_pytest_that_is_absent_or_old_is_said(spec, version, text):
    with mock.patch("importlib.util.find_spec", return_value=spec), \
            mock.patch("importlib.metadata.version", return_value=version):
        assert needs._pytest().startswith(text) and bool(needs._pytest()) == bool(text)
