# SPDX-License-Identifier: GPL-2.0
"""Tests of the frame that the parts of the benchmark run in."""

import sys
import types
from pathlib import Path

import pytest

import bench
from bench import results
from harness.say import Failure


@pytest.fixture
def frame(report):
    return bench.Bench(report, [], True, Path("."), [], "make bench")


def run(frame, monkeypatch, part, name="cost"):
    """Runs a function, or the raising of an error, as the part of that name."""
    def fail(_bench):
        raise part

    work = fail if isinstance(part, Exception) else part
    monkeypatch.setitem(sys.modules, f"bench.{name}", types.SimpleNamespace(TITLE="a part", run=work))
    bench._run(frame, name)


def test_a_failure_and_a_mistake_are_problems_and_no_end(frame, monkeypatch):
    run(frame, monkeypatch, Failure("no guest"))
    assert [note["why"] for note in frame.report.problems] == ["no guest"]
    run(frame, monkeypatch, ZeroDivisionError("x"))
    assert "ZeroDivisionError" in frame.report.problems[0]["why"]


def test_a_part_that_runs_again_starts_without_its_old_complaints(frame, monkeypatch):
    run(frame, monkeypatch, Failure("no guest"))
    run(frame, monkeypatch, Failure("no daemon"), "uml")
    run(frame, monkeypatch, lambda b: b.report.skip("a result", "no device"))
    kept = frame.report = results.load(frame.report.path)
    assert [note["why"] for note in kept.problems] == ["no daemon"]
    assert [note["why"] for note in kept.skipped] == ["no device"]
    run(frame, monkeypatch, lambda b: None)
    assert kept.skipped == []
    assert len(kept.problems) == 1
