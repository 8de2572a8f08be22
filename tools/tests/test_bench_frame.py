# SPDX-License-Identifier: GPL-2.0
"""Tests of the frame that the parts of the benchmark run in."""

import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

from rvt import bench
from rvt.bench import cells
from rvt.say import Failure


def _leg(run):
    return types.SimpleNamespace(TITLE="a leg", run=run)


class Legs(unittest.TestCase):
    """What becomes of a part that fails."""

    def setUp(self):
        self._scratch = tempfile.TemporaryDirectory()
        self.report = cells.Report(Path(self._scratch.name) / "bench.json", {})
        self.bench = bench.Bench(self.report, [], True, Path("."), [], "make bench")

    def tearDown(self):
        self._scratch.cleanup()

    def _run(self, run, name="cost"):
        with mock.patch.dict("sys.modules", {f"rvt.bench.{name}": _leg(run)}), \
                mock.patch.object(cells, "say"), mock.patch.object(cells, "warn"), \
                mock.patch.object(bench, "say"):
            bench._run(self.bench, name)

    def _fail(self, error):
        def run(_bench):
            raise error
        return run

    def test_a_failure_is_a_problem_and_no_end(self):
        self._run(self._fail(Failure("no guest")))
        self.assertEqual([note["why"] for note in self.report.problems], ["no guest"])

    def test_a_mistake_is_a_problem_and_no_end(self):
        self._run(self._fail(ZeroDivisionError("x")))
        self.assertIn("ZeroDivisionError", self.report.problems[0]["why"])

    def test_a_part_that_runs_again_starts_without_its_old_complaints(self):
        self._run(self._fail(Failure("no guest")))
        self._run(self._fail(Failure("no daemon")), "uml")
        self._run(lambda b: b.report.skip("a cell", "no device"))
        kept = cells.load(self.report.path)
        self.assertEqual([note["why"] for note in kept.problems], ["no daemon"])
        self.assertEqual([note["why"] for note in kept.skipped], ["no device"])
        self.report = self.bench.report = kept
        self._run(lambda b: None)
        self.assertEqual(kept.skipped, [])
        self.assertEqual(len(kept.problems), 1)


if __name__ == "__main__":
    unittest.main()
