# SPDX-License-Identifier: GPL-2.0
"""Tests how results are kept."""

import json
import unittest
from unittest import mock

from harness.report import results
from harness.report.results import Results
from harness.report.tap import Test
from harness.suites import testall


class Merge(unittest.TestCase):
    """Tests of one command in the results of another."""

    def setUp(self):
        self.enter(mock.patch.object(results, "OUT", self.top))

    def merged(self):
        mine = Results("test-stock")
        mine.tests = [Test("stock/off", "new", "fail", "why"), Test("harness", "again", "skip", "b")]
        mine.merge_into("test")
        return json.loads((self.top / "test.json").read_text())

    def test_suites_are_replaced_and_the_rest_stays(self):
        whole = Results("test")
        whole.tests = [Test("stock/off", "old", "pass"), Test("stock/fresh", "kept", "pass"),
                       Test("harness", "again", "skip", "a"), Test("harness", "kept", "pass")]
        whole.write()
        text = json.loads((self.top / "test.json").read_text())
        (self.top / "test.json").write_text(json.dumps({**text, "parts": {"kunit": 1.0}}))
        found = self.merged()
        assert [(test["suite"], test["name"], test["reason"]) for test in found["tests"]] == [
            ("stock/fresh", "kept", ""), ("harness", "kept", ""), ("stock/off", "new", "why"),
            ("harness", "again", "b")]
        assert (found["passed"], found["failed"], found["skipped"]) == (2, 1, 1)
        assert found["parts"] == {"kunit": 1.0}

    def whole_run(self):
        """Does what `make test` does, of which one part is left."""
        def harness(part):
            part.add([Test("harness", "now", "pass")])

        with mock.patch.object(testall, "PARTS", {"harness": harness}), \
                mock.patch.object(testall.parity, "as_test", return_value=Test("parity", "docs", "pass")), \
                mock.patch.object(testall.setup, "TOOK", self.top / "none"), mock.patch("builtins.print"), \
                mock.patch.object(testall, "say"):
            assert testall.main(None) == 0
        return json.loads((self.top / "test.json").read_text())

    def test_make_test_leaves_the_results_of_the_package_there_and_says_that_they_are_older(self):
        stock = Results("test-stock")
        stock.tests = [Test("stock/off", "boots", "fail", "why"), Test("stock/fresh", "boots", "pass"),
                       Test("blk/identity (Debian guest)", "serial", "pass")]
        old = Results("test")
        old.tests = [Test("net/mtu", "old", "fail", "old")]
        old.write()
        stock.merge_into("test")
        found = self.whole_run()
        assert [(test["suite"], test["name"]) for test in found["tests"]] == [("harness", "now"), ("parity", "docs"),
            ("stock/off", "boots"), ("stock/fresh", "boots"), ("blk/identity (Debian guest)", "serial")]
        assert (found["passed"], found["failed"]) == (4, 1)
        assert found["earlier"] == ["blk/identity (Debian guest)", "stock/fresh", "stock/off"]
        stock.tests = stock.tests[:1]
        stock.merge_into("test")
        assert json.loads((self.top / "test.json").read_text())["earlier"] == ["blk/identity (Debian guest)",
            "stock/fresh"]

    def test_a_file_whose_writing_was_interrupted_is_as_good_as_none(self):
        (self.top / "test.json").write_text('{"tests": [')
        assert len(self.merged()["tests"]) == 2
        (self.top / "test.json").write_text('{"tests": [')
        assert "earlier" not in self.whole_run()

    def test_without_older_results(self):
        assert len(self.merged()["tests"]) == 2
