# SPDX-License-Identifier: GPL-2.0
"""Tests how results are kept."""

import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from rvt import results
from rvt.results import Results
from rvt.tap import Test


class Merge(unittest.TestCase):
    """Tests of one command in the results of another."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory(prefix="rvt-results-")
        self.addCleanup(scratch.cleanup)
        self.out = Path(scratch.name)
        patch = mock.patch.object(results, "OUT", self.out)
        patch.start()
        self.addCleanup(patch.stop)

    def merged(self):
        mine = Results("test-stock")
        mine.tests = [Test("stock/off", "new", "fail", "why"), Test("harness", "again", "skip", "b")]
        mine.merge_into("test")
        return json.loads((self.out / "test.json").read_text())

    def test_suites_are_replaced_and_the_rest_stays(self):
        whole = Results("test")
        whole.tests = [Test("stock/off", "old", "pass"), Test("stock/fresh", "kept", "pass"),
                       Test("harness", "again", "skip", "a"), Test("harness", "kept", "pass")]
        whole.write()
        text = json.loads((self.out / "test.json").read_text())
        (self.out / "test.json").write_text(json.dumps({**text, "parts": {"kunit": 1.0}}))
        found = self.merged()
        self.assertEqual([(test["suite"], test["name"], test["reason"]) for test in found["tests"]],
                         [("stock/fresh", "kept", ""), ("harness", "kept", ""),
                          ("stock/off", "new", "why"), ("harness", "again", "b")])
        self.assertEqual((found["passed"], found["failed"], found["skipped"]), (2, 1, 1))
        self.assertEqual(found["parts"], {"kunit": 1.0})

    def test_without_older_results(self):
        self.assertEqual(len(self.merged()["tests"]), 2)


if __name__ == "__main__":
    unittest.main()
