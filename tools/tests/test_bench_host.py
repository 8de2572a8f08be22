# SPDX-License-Identifier: GPL-2.0
"""Tests the reading of what criterion and callgrind say: bench/host.py."""

import json
import types

import pytest

from bench import host, ratio
from harness.say import Failure

CASE = ("ring-add3-get", "rust-ring", "split", "true", "true")
BASE = ("ring-add3-get", host.BASE, "split", "true", "true")


def test_estimates_are_per_operation(tmp_path):
    assert host.estimates(tmp_path) == {}
    for group, ring, value in (("ring-add3-get_split_true_true", "rust-ring", 50.0),
                               ("ring-burst32_packed-in-order_false_true", host.BASE, 64)):
        path = tmp_path / group / ring / "new" / "estimates.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"median": {"point_estimate": value}}))
    assert host.estimates(tmp_path) == {
        CASE: 50.0, ("ring-burst32", host.BASE, "packed-in-order", "false", "true"): 2.0}


def test_count():
    assert host.collected("==1== Events    : Ir\n==1== Collected : 836000\n") == 836000
    with pytest.raises(Failure):
        host.collected("==1== nothing")


def test_ratio_to_the_kernels_ring(report):
    bench = types.SimpleNamespace(command="make bench", report=report)

    def compare(ours, base):
        return ratio.compare(ours, base, False)

    host._add(bench, "time_host", "ns/op", "", {CASE: [5.0] * 6, BASE: [10.0] * 6}, compare)
    ours, base = report.results
    assert (ours.ratio["value"], ours.ratio["verdict"], base.ratio) == (0.5, ratio.FASTER, None)
    assert ours.workload == "ring-add3-get-split"
    assert ours.options == {"indirect": True, "event_idx": True}
    host._add(bench, "time_host", "ns/op", "", {CASE: [5.0] * 6}, compare)
    assert report.results[-1].ratio is None
