# SPDX-License-Identifier: GPL-2.0
"""Tests that TAP that is wrong in any way does not count as passed."""

import unittest

from harness.report import tap


def results(text: str) -> list:
    """Returns `(name, result)` of a TAP text."""
    return [(test.name, test.result) for test in tap.parse(text.splitlines(), "suite")]


class Tap(unittest.TestCase):
    """TAP of selftest scripts."""

    def test_pass_fail_and_skip(self):
        text = "1..3\nok 1 - a\n# why\nnot ok 2 - b\nok 3 - c # SKIP no device\n"
        assert results(text) == [("a", "pass"), ("b", "fail"), ("c", "skip")]

    def test_reason_of_a_failure_is_what_was_said_before_it(self):
        found = tap.parse(["1..1", "# got 1", "# wanted 2", "not ok 1 - a"], "suite")
        assert found[0].reason == "# got 1\n# wanted 2"

    def test_script_that_stops_early_fails(self):
        assert results("1..2\nok 1 - a\n") == [("a", "pass"), ("plan", "fail")]

    def test_more_tests_than_planned_fail(self):
        assert results("1..1\nok 1 - a\nok 2 - b\n")[-1] == ("plan", "fail")

    def test_no_plan_fails(self):
        assert results("ok 1 - a\n")[-1] == ("plan", "fail")

    def test_plan_at_the_end_is_a_plan(self):
        assert results("ok 1 - a\n1..1\n") == [("a", "pass")]

    def test_no_output_fails(self):
        assert results("") == [("plan", "fail")]

    def test_skipped_script(self):
        assert results("1..0 # SKIP not here\n") == [("all", "skip")]

    def test_failed_test_is_not_saved_by_a_skip(self):
        assert results("1..1\nnot ok 1 - a # SKIP x\n")[0][1] == "fail"

    def test_full_name(self):
        assert tap.Test("blk/io", "reads", "pass").full_name() == "blk/io:reads"


class Kunit(unittest.TestCase):
    """KTAP as KUnit keeps it in debugfs."""

    TEXT = ("KTAP version 1\n1..1\n    KTAP version 1\n    # Subtest: ring\n    1..2\n"
            "    # a.speed: normal\n    ok 1 a\n    # b: ASSERTION FAILED at ring.rs:7\n"
            "    not ok 2 b\nnot ok 1 ring\n")

    def test_cases(self):
        found = tap.parse_kunit(self.TEXT.splitlines(), "ring")
        assert [(test.name, test.result) for test in found] == [("a", "pass"), ("b", "fail")]
        assert "ASSERTION FAILED" in found[1].reason

    def test_nothing(self):
        assert tap.parse_kunit(["KTAP version 1", "1..1"], "ring")[0].result == "fail"
