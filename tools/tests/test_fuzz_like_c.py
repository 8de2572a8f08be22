# SPDX-License-Identifier: GPL-2.0
"""Tests of the comparison of both network drivers by netlink: an answer that cannot be read proves nothing."""

import sys
import types
from collections import Counter

import pytest

from harness.paths import SELFTESTS

sys.path.insert(0, str(SELFTESTS / "lib"))


@pytest.fixture(name="fuzz")
def _fuzz(monkeypatch):
    """Returns the module, with a library for netlink that is made up: machines without pyynl have these tests, too."""
    names = {name: type(name, (Exception,), {}) for name in ("NlError", "YnlException", "YnlFamily")}
    monkeypatch.setitem(sys.modules, "pyynl", types.SimpleNamespace(**names))
    monkeypatch.delitem(sys.modules, "fuzz_like_c", raising=False)
    import fuzz_like_c  # pylint: disable=import-outside-toplevel
    yield fuzz_like_c
    sys.modules.pop("fuzz_like_c", None)


def test_outcomes(fuzz):
    results = ({"answer": {}}, {"error": "EINVAL", "message": "", "place": ""}, {"unreadable": "KeyError: 5"})
    assert [fuzz.outcome(result) for result in results] == ["done", "error", "unreadable"]


def test_more_than_half_of_the_operations_unreadable(fuzz, capsys):
    seen, blind = Counter(done=3, unreadable=1), Counter(unreadable=2)
    assert fuzz.unseen({"a": seen, "b": blind}) == []
    assert fuzz.unseen({"a": seen, "b": Counter(error=1)}) == []
    assert fuzz.unseen({"a": seen, "b": blind, "c": blind}) == ["2 of 3 operations were never readable"]
    assert "# requests: done 3, error 0, unreadable 5\n# never readable: b c\n" in capsys.readouterr().out


def test_a_state_that_cannot_be_read(fuzz):
    states = [{"dev-get": {"answer": {}}, "rss-get": {"error": "EOPNOTSUPP"}},
              {"dev-get": {"unreadable": "KeyError: 5"}}]
    assert fuzz.unreadable_state(states[:1]) == []
    assert fuzz.unreadable_state(states) == ["state dev-get: KeyError: 5"]
