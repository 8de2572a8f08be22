# SPDX-License-Identifier: GPL-2.0
"""Tests how results are kept, and those of one command in the results of another."""

import json
from unittest import mock

import pytest

from harness.report import results
from harness.report.results import Results
from harness.report.tap import Test
from harness.suites import testall

OFF, FRESH = Test("stock/off", "boots", "fail", "why"), Test("stock/fresh", "boots", "pass")
DEBIAN = Test("blk/identity (Debian guest)", "serial", "pass")


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Returns the file of the results of `make test`."""
    monkeypatch.setattr(results, "OUT", tmp_path)
    return tmp_path / "test.json"


def merge(*tests, command="test-stock") -> None:
    """Merges tests of another command into those of `make test`."""
    mine = Results(command)
    mine.tests = list(tests)
    mine.merge_into("test")


def names(found: dict) -> list:
    return [(test["suite"], test["name"]) for test in found["tests"]]


def test_suites_are_replaced_and_the_rest_stays(kept):
    whole = Results("test")
    whole.tests = [Test("stock/off", "old", "pass"), Test("stock/fresh", "kept", "pass"),
                   Test("harness", "again", "skip", "a"), Test("harness", "kept", "pass")]
    whole.write()
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "parts": {"kunit": 1.0}}))
    merge(Test("stock/off", "new", "fail", "why"), Test("harness", "again", "skip", "b"))
    found = json.loads(kept.read_text())
    assert names(found) == [("stock/fresh", "kept"), ("harness", "kept"), ("stock/off", "new"), ("harness", "again")]
    assert [test["reason"] for test in found["tests"]] == ["", "", "why", "b"]
    assert (found["passed"], found["failed"], found["skipped"]) == (2, 1, 1)
    assert found["parts"] == {"kunit": 1.0}


@pytest.fixture
def whole_run(kept, monkeypatch):
    """Returns a function that does what `make test` does, of which one part is left."""
    def run() -> dict:
        assert testall.main(None) == 0
        return json.loads(kept.read_text())

    monkeypatch.setattr(testall, "PARTS", {"harness": lambda part: part.add([Test("harness", "now", "pass")])})
    monkeypatch.setattr(testall.parity, "as_test", lambda *_: Test("parity", "docs", "pass"))
    monkeypatch.setattr(testall.setup, "TOOK", kept.parent / "none")
    monkeypatch.setattr(testall, "say", mock.Mock())
    return run


def test_make_test_leaves_the_results_of_the_package_there_and_says_that_they_are_older(kept, whole_run):
    old = Results("test")
    old.tests = [Test("net/mtu", "old", "fail", "old")]
    old.write()
    merge(OFF, FRESH, DEBIAN)
    found = whole_run()
    assert names(found) == [("harness", "now"), ("parity", "docs"), *((test.suite, test.name) for test in
                                                                      (OFF, FRESH, DEBIAN))]
    assert (found["passed"], found["failed"]) == (4, 1)
    assert found["earlier"] == [DEBIAN.suite, FRESH.suite, OFF.suite]
    merge(OFF)
    assert json.loads(kept.read_text())["earlier"] == [DEBIAN.suite, FRESH.suite]


def test_a_file_whose_writing_was_interrupted_is_as_good_as_none(kept, whole_run):
    for text in (None, '{"tests": ['):
        if text:
            kept.write_text(text)
        merge(OFF, FRESH)
        assert len(json.loads(kept.read_text())["tests"]) == 2
    kept.write_text('{"tests": [')
    assert "earlier" not in whole_run()
