# SPDX-License-Identifier: GPL-2.0
"""Tests the reading of what cargo test prints (harness/ring/cargo.py), and how long harness/ring/fuzz.py runs."""

import unittest

from harness.ring import cargo, fuzz
from harness.say import Failure

TEXT = """     Running unittests lib.rs (target/debug/deps/ring_core-1)

running 1 test
test ring::event::tests::most ... ok

     Running tests/rings.rs (target/debug/deps/rings-2)

running 2 tests
test callbacks ... FAILED
test a_slow_one ... ignored, needs QEMU

failures:

---- callbacks stdout ----
thread panicked at tests/rings.rs:7:1:
left: 1

failures:
    callbacks
"""


class Parse(unittest.TestCase):
    """Output of cargo test."""

    def test_results(self):
        found = cargo.parse(TEXT.splitlines(), 101, "ring", "no QEMU")
        assert [(test.full_name(), test.result) for test in found] == [("ring/unit:event: most", "pass"),
            ("ring/rings:callbacks", "fail"), ("ring/rings:a slow one", "skip")]
        assert found[2].reason == "no QEMU"
        assert found[1].reason == "thread panicked at tests/rings.rs:7:1:\nleft: 1"

    def test_failure_without_a_failed_test(self):
        found = cargo.parse(["error: could not compile"], 101, "ring")
        assert [(test.name, test.result) for test in found] == [("cargo", "fail")]

    def test_nothing(self):
        assert cargo.parse([], 0, "ring")[0].result == "fail"

    def test_a_test_of_more_than_one_file(self):
        text = ["     Running tests/model/main.rs (target/debug/deps/model-3)",
                "test lost_wakeups::without_one - should panic ... ok"]
        found = cargo.parse(text, 0, "ring-asan")
        assert [test.full_name() for test in found] == ["ring-asan/model:lost_wakeups: without one"]


class FuzzArguments(unittest.TestCase):
    """How long the fuzzer runs, and from which seed."""

    def test_always_the_same(self):
        assert fuzz.arguments("", 7) == fuzz.arguments("", 8)
        assert "-seed=1" in fuzz.arguments("", 7)

    def test_as_long_as_asked(self):
        assert fuzz.arguments("90", 7) == ["-max_total_time=90", "-seed=7"]

    def test_no_number(self):
        for text in ("x", "0", "-3", "1.5"):
            with self.assertRaises(Failure):
                fuzz.arguments(text, 7)
