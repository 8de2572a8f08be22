# SPDX-License-Identifier: GPL-2.0
"""Tests of harness.parity: the tables of features and of violations against results."""

import re

import pytest

from harness.report import parity
from harness.report.tap import Test

_ROWS = [("net", "N1", "a", "yes", ["suite:one"]), ("ring", "R1", "b", "yes", ["suite:two"])]


@pytest.mark.parametrize("results, ring, layout, wrong", [
    ({"one": "pass", "two": "pass"}, "", "", []),
    # A row whose test failed or did not run does not hold.
    *(({"one": "fail"}, ring, layout, ["N1", "R1"]) for ring, layout in (("", ""), ("c", ""), ("", "packed"))),
    # One whose test was skipped holds only with chosen rings.
    *(({"one": "pass", "two": "skip"}, ring, "", ["R1"]) for ring in ("", "rust")),
    *(({"one": "pass", "two": "skip"}, ring, layout, []) for ring, layout in (("c", ""), ("", "packed")))])
def test_rows_hold_by_the_results_of_their_tests(results, ring, layout, wrong, monkeypatch, capsys):
    monkeypatch.setattr(parity, "rows", lambda: _ROWS)
    monkeypatch.setenv("RING", ring)
    monkeypatch.setenv("LAYOUT", layout)
    found = parity.check([Test("suite", name, result) for name, result in results.items()])
    assert len(found) == len(wrong) and all(row in text for row, text in zip(wrong, found)), found
    assert ("skipped: R1" in capsys.readouterr().out) == ("skip" in results.values() and not wrong)


FOUR = "| id | feature | state | test |\n|---|---|---|---|"
FIVE = "| id | violation | answer | state | test |\n|---|---|---|---|---|"


@pytest.mark.parametrize("titles, rows, wrong", [
    (FOUR, "| N1 | x | yes | `a:b` |\n| N2 | y | no | |", None),
    (FOUR, "| N1 | x | yes | |", "without a test"), (FOUR, "| N1 | x | maybe | a:b |", "is not one of"),
    (FOUR, "| N1 | x | yes | a:z |", "no test"), (FOUR, "| N1 | x | yes | a:b, c:d |", "did not pass"),
    (FOUR, "| N1 | x | no | |\n| N1 | y | no | |", "twice"), (FOUR, "", "no rows"),
    (FIVE, "| H1 | x | y | yes | `a:b` |\n| H2 | x | y | no | |", None),
    (FIVE, "| H1 | x | y | yes | `a:z` |", "H1.*no test"), (FIVE, "| H1 | x | y | yes | |", "without a test")])
def test_rows_of_the_tables_of_features_and_of_violations(titles, rows, wrong, write, monkeypatch):
    monkeypatch.setattr(parity, "TABLES", (write("parity.md", f"## Net\n\n{titles}\n{rows}\n"),))
    monkeypatch.setattr(parity, "_print_counts", lambda *_: None)
    found = parity.check([Test("a", "b", "pass"), Test("c", "d", "fail")])
    if wrong is None:
        assert found == []
    else:
        assert re.search(wrong, "\n".join(found))


def test_every_table_is_read():
    assert {"N1", "B1", "R1", "H001", "H146"} <= {row[1] for row in parity.rows()}
