# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/report/parity.py."""

import contextlib
import io
import os
import unittest
from unittest import mock

from harness.report import parity
from harness.report.tap import Test

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
        assert self._check({"one": "pass", "two": "pass"})[0] == []

    def test_what_failed_or_did_not_run_does_not_hold(self):
        for env in ({}, {"RING": "c"}, {"LAYOUT": "packed"}):
            wrong, _ = self._check({"one": "fail"}, **env)
            assert len(wrong) == 2
            assert "N1" in wrong[0]
            assert "R1" in wrong[1]

    def test_what_was_skipped_holds_only_with_chosen_rings(self):
        results = {"one": "pass", "two": "skip"}
        for env in ({}, {"RING": "rust"}):
            assert len(self._check(results, **env)[0]) == 1
        for env in ({"RING": "c"}, {"LAYOUT": "packed"}):
            wrong, said = self._check(results, **env)
            assert wrong == []
            assert "skipped: R1" in said
