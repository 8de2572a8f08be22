# SPDX-License-Identifier: GPL-2.0
"""Tests docs/hostile.md: each row has a test that is named after it."""

import re
import unittest

from harness.paths import REPO

_ROW = re.compile(r"^\| (H\d{3}) \|.*\| (yes|partial|no|n/a) \| (.*) \|$", re.MULTILINE)
_TEST = re.compile(r"`[^`]+:([^`]+)`")


class HostileTest(unittest.TestCase):
    def test_rows_have_a_test_by_their_name(self):
        rows = _ROW.findall((REPO / "docs/hostile.md").read_text())
        self.assertGreater(len(rows), 100)
        for row, state, tests in rows:
            with self.subTest(row):
                named = [test for test in _TEST.findall(tests) if row.lower() in test.lower()]
                self.assertEqual(bool(named), state in ("yes", "partial"))


if __name__ == "__main__":
    unittest.main()
