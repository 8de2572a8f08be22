# SPDX-License-Identifier: GPL-2.0
"""Tests the reading of what cargo test prints: rvt/hosttest.py."""

import unittest

from rvt import hosttest

TEXT = """     Running unittests lib.rs (target/debug/deps/virtio_ring-1)

running 1 test
test ring::event::tests::most ... ok

     Running tests/rings.rs (target/debug/deps/rings-2)

running 2 tests
test callbacks ... FAILED
test a_slow_one ... ignored

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
        found = hosttest.parse(TEXT.splitlines(), 101)
        self.assertEqual([(test.full_name(), test.result) for test in found],
                         [("ring/unit:event: most", "pass"), ("ring/rings:callbacks", "fail"),
                          ("ring/rings:a slow one", "skip")])
        self.assertEqual(found[1].reason, "thread panicked at tests/rings.rs:7:1:\nleft: 1")

    def test_failure_without_a_failed_test(self):
        found = hosttest.parse(["error: could not compile"], 101)
        self.assertEqual([(test.name, test.result) for test in found], [("cargo", "fail")])

    def test_nothing(self):
        self.assertEqual(hosttest.parse([], 0)[0].result, "fail")
