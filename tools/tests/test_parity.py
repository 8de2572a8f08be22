# SPDX-License-Identifier: GPL-2.0
"""Tests of rvt.parity."""

import contextlib
import io
import os
import unittest
from unittest import mock

from rvt import parity
from rvt.tap import Test

_ROWS = [("net", "N1", "a", "yes", ["suite:one"]), ("ring", "R1", "b", "yes", ["suite:two"])]


class ParityTest(unittest.TestCase):
    def _check(self, results, **env):
        tests = [Test("suite", name, result) for name, result in results.items()]
        said = io.StringIO()
        with mock.patch.object(parity, "rows", lambda: _ROWS), \
                mock.patch.dict(os.environ, {"RING": "", "LAYOUT": "", **env}), \
                contextlib.redirect_stdout(said):
            return parity.check(tests), said.getvalue()

    def test_all_passed(self):
        self.assertEqual(self._check({"one": "pass", "two": "pass"})[0], [])

    def test_what_failed_or_did_not_run_does_not_hold(self):
        for env in ({}, {"RING": "c"}, {"LAYOUT": "packed"}):
            wrong, _ = self._check({"one": "fail"}, **env)
            self.assertEqual(len(wrong), 2)
            self.assertIn("N1", wrong[0])
            self.assertIn("R1", wrong[1])

    def test_what_was_skipped_holds_only_with_chosen_rings(self):
        results = {"one": "pass", "two": "skip"}
        for env in ({}, {"RING": "rust"}):
            self.assertEqual(len(self._check(results, **env)[0]), 1)
        for env in ({"RING": "c"}, {"LAYOUT": "packed"}):
            wrong, said = self._check(results, **env)
            self.assertEqual(wrong, [])
            self.assertIn("skipped: R1", said)


if __name__ == "__main__":
    unittest.main()
