# SPDX-License-Identifier: GPL-2.0
"""Tests that TAP that is wrong in any way does not count as passed."""

from unittest import mock

import pytest

from harness.report import tap
from harness.say import Failure


@pytest.mark.parametrize("text, results", [
    ("1..3\nok 1 - a\n# why\nnot ok 2 - b\nok 3 - c # SKIP no device\n", "a pass, b fail, c skip"),
    # A script that stops early, more tests than planned, no plan.
    ("1..2\nok 1 - a\n", "a pass, plan fail"), ("1..1\nok 1 - a\nok 2 - b\n", "a pass, b pass, plan fail"),
    ("ok 1 - a\n", "a pass, plan fail"), ("", "plan fail"),
    # A plan at the end, a skipped script, a failure that a skip does not save.
    ("ok 1 - a\n1..1\n", "a pass"), ("1..0 # SKIP not here\n", "all skip"),
    ("1..1\nnot ok 1 - a # SKIP x\n", "a fail")])
def test_results_of_a_script(text, results):
    found = tap.parse(text.splitlines(), "suite")
    assert ", ".join(f"{test.name.partition(' #')[0]} {test.result}" for test in found) == results


def test_reason_of_a_failure_is_what_was_said_before_it():
    found = tap.parse(["1..1", "# got 1", "# wanted 2", "not ok 1 - a"], "suite")
    assert found[0].reason == "# got 1\n# wanted 2"


@pytest.mark.parametrize("function, result, reason", [
    (lambda: None, "pass", ""), (mock.Mock(side_effect=tap.Skipped("no network")), "skip", "no network"),
    (mock.Mock(side_effect=Failure("broken")), "fail", "broken"),
    # The output of a command is no reason to skip it.
    (lambda: "done", "pass", "")])
def test_a_function_that_is_tried(function, result, reason):
    found = tap.Test.tried("a", "b", function)
    assert (found.result, found.reason) == (result, reason)


def test_the_reason_of_an_unforeseen_error_begins_with_the_error():
    found = tap.Test.tried("a", "b", mock.Mock(side_effect=OSError(16, "busy", "/some/place")))
    assert found.result == "fail"
    assert found.reason.startswith("OSError: [Errno 16] busy: '/some/place'\nTraceback (most recent call last):\n")


@pytest.mark.parametrize("wrong, result", [("", "pass"), ("broken", "fail")])
def test_what_is_wrong_is_judged(wrong, result):
    assert tap.Test.judged("a", "b", wrong) == tap.Test("a", "b", result, wrong)


def test_full_name():
    assert tap.Test("blk/io", "reads", "pass").full_name() == "blk/io:reads"


KUNIT = """KTAP version 1
1..1
    KTAP version 1
    # Subtest: ring
    1..2
    # a.speed: normal
    ok 1 a
    # b: ASSERTION FAILED at ring.rs:7
    not ok 2 b
not ok 1 ring
"""


def test_results_of_kunit():
    found = tap.parse_kunit(KUNIT.splitlines(), "ring")
    assert [(test.name, test.result) for test in found] == [("a", "pass"), ("b", "fail")]
    assert "ASSERTION FAILED" in found[1].reason
    assert tap.parse_kunit(["KTAP version 1", "1..1"], "ring")[0].result == "fail"
