# SPDX-License-Identifier: GPL-2.0
"""Tests the reading of what criterion and callgrind say: rvt/bench/host.py."""

import json
import tempfile
import types
import unittest
from pathlib import Path

from rvt.bench import host, ratio
from rvt.say import Failure

CASE = ("ring-add3-get", "rust-ring", "split", "true", "true")
BASE = ("ring-add3-get", host.BASE, "split", "true", "true")


class Reading(unittest.TestCase):
    """Results of the tools."""

    def test_estimates_are_per_operation(self):
        with tempfile.TemporaryDirectory() as name:
            for group, ring, value in (("ring-add3-get_split_true_true", "rust-ring", 50.0),
                                       ("ring-burst32_packed-in-order_false_true", host.BASE, 64)):
                path = Path(name) / group / ring / "new" / "estimates.json"
                path.parent.mkdir(parents=True)
                path.write_text(json.dumps({"median": {"point_estimate": value}}))
            self.assertEqual(host.estimates(Path(name)), {
                CASE: 50.0,
                ("ring-burst32", host.BASE, "packed-in-order", "false", "true"): 2.0})

    def test_a_round_without_results_is_empty(self):
        with tempfile.TemporaryDirectory() as name:
            self.assertEqual(host.estimates(Path(name)), {})

    def test_count(self):
        self.assertEqual(host.collected("==1== Events    : Ir\n==1== Collected : 836000\n"), 836000)
        with self.assertRaises(Failure):
            host.collected("==1== nothing")


class Cells(unittest.TestCase):
    """What goes into the report."""

    def added(self, values: dict, compare) -> dict:
        """Returns the cells that come of `{case: samples}`, by ring."""
        got = []
        bench = types.SimpleNamespace(command="make bench", report=types.SimpleNamespace(
            add=got.append))
        host._add(bench, {case: host._cell(list(case), "time_host", "ns/op", samples, bench, "")
                          for case, samples in values.items()}, compare)
        return {cell.ring: cell for cell in got}

    def test_ratio_to_the_kernels_ring(self):
        got = self.added({CASE: [5.0] * 6, BASE: [10.0] * 6},
                         lambda ours, base: ratio.compare(ours, base, False))
        self.assertEqual(got["rust-ring"].ratio["value"], 0.5)
        self.assertEqual(got["rust-ring"].ratio["verdict"], ratio.FASTER)
        self.assertIsNone(got[host.BASE].ratio)
        self.assertEqual(got["rust-ring"].workload, "ring-add3-get-split")
        self.assertEqual(got["rust-ring"].options, {"indirect": True, "event_idx": True})

    def test_counts_are_exact(self):
        self.assertEqual(host.exact([224.0], [836.0])["verdict"], ratio.FASTER)
        self.assertEqual(host.exact([101.0], [100.0])["verdict"], ratio.SLOWER)
        self.assertEqual(host.exact([100.4], [100.0])["verdict"], ratio.SAME)

    def test_no_ratio_without_the_kernels_ring(self):
        got = self.added({CASE: [5.0] * 6}, None)
        self.assertIsNone(got["rust-ring"].ratio)
