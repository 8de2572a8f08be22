# SPDX-License-Identifier: GPL-2.0
"""`harness.py parity`: holds the tables in docs/parity-tests.md and docs/hostile.md against the results of
the tests.

Rows look like `| id | feature | state | test |`, or `| id | violation | answer | state | test |`. The
state is yes, partial, no or n/a; a row that claims anything names tests, `<suite>:<name>`, separated
by ", ", that exist and passed. With rings that were asked for (RING=c, LAYOUT=...) some cannot
run: those rows are listed, and wait for a run without.
"""

import os
import re

from ..build.modtree import DEFAULT_RING
from ..paths import REPO
from ..say import Failure
from . import results
from .tap import Test

FEATURES = REPO / "docs" / "parity-tests.md"
TABLES = (FEATURES, REPO / "docs" / "hostile.md")
#: Columns that a table of ours has, besides others.
_COLUMNS = {"id", "state", "test"}
STATES = ("yes", "partial", "no", "n/a")


def rows() -> list:
    """Returns `(section, id, feature, state, [test names])` for each row of all tables."""
    found = []
    for table in TABLES:
        if not table.exists():
            raise Failure(f"{table} is missing")
        found += rows_of(table)
    return found


def rows_of(table) -> list:
    """Returns the rows of the tables in one file, as `rows`."""
    found, section, titles = [], "", []
    for line in table.read_text().splitlines():
        if line.startswith("#"):
            section, titles = line.lstrip("# "), []
        if not line.startswith("|"):
            titles = [] if not line.strip() else titles
            continue
        # A pipe inside a cell is written \|.
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
        if not titles:
            titles = [cell.lower() for cell in cells]
        elif set("".join(cells)) - set("-: ") and _COLUMNS <= set(titles):
            cell = dict(zip(titles, cells))
            names = [name.strip().strip("`") for name in cell.get("test", "").split(", ")]
            found.append((section, cells[0], cells[1], cell.get("state", ""), [n for n in names if n]))
    return found


def rings_chosen() -> bool:
    """Whether the rings are not those that a driver gets by itself."""
    return os.environ.get("RING", "") not in ("", DEFAULT_RING) or bool(
        os.environ.get("LAYOUT") or os.environ.get("KERNEL"))


def form(table: list) -> list:
    """Returns what is wrong with the rows of the tables by themselves."""
    seen, wrong = set(), [] if table else ["the table has no rows"]
    for _, key, _, state, names in table:
        if key in seen:
            wrong.append(f"{key}: the id is used twice")
        seen.add(key)
        if state not in STATES:
            wrong.append(f"{key}: state \"{state}\" is not one of {', '.join(STATES)}")
        if state in ("yes", "partial") and not names:
            wrong.append(f"{key}: state \"{state}\" without a test")
    return wrong


def check(tests: list) -> list:
    """Returns what is wrong with the table, given results; prints the counts."""
    table, outcome, waiting = rows(), {}, []
    wrong = form(table)
    for test in tests:
        # A name used twice is as good as its worst result.
        if outcome.get(test.full_name()) in (None, "pass"):
            outcome[test.full_name()] = test.result
    for _, key, _, _, names in table:
        for name in names:
            result = outcome.get(name)
            if result is None:
                wrong.append(f"{key}: no test \"{name}\" has run")
            elif result == "skip" and rings_chosen():
                waiting.append(key)
            elif result != "pass":
                wrong.append(f"{key}: test \"{name}\" did not pass ({result})")
    _print_counts(table)
    if waiting:
        print("  not shown with these rings and this kernel, as tests were skipped: "
              + ", ".join(dict.fromkeys(waiting)))
    return wrong


def _print_counts(table: list) -> None:
    sections = list(dict.fromkeys(row[0] for row in table))
    width = max([len(section) for section in sections] + [8])
    print(f"  {'':{width}}" + "".join(f"{state:>9}" for state in STATES))
    for section in [*sections, "all"]:
        states = [row[3] for row in table if section in (row[0], "all")]
        print(f"  {section:{width}}" + "".join(f"{states.count(state):9}" for state in STATES))


def as_test(tests: list) -> Test:
    """Returns the check as a test of its own."""
    try:
        wrong = check(tests)
    except Failure as failure:
        wrong = [str(failure)]
    return Test.judged("parity", "docs", "\n".join([f"{len(wrong)} rows do not hold", *wrong]) if wrong else "")


def main(_args) -> int:
    """Checks the table against out/test.json."""
    if not (results.OUT / "test.json").exists():
        raise Failure("out/test.json is missing: run make test first")
    wrong = check(results.load("test"))
    for line in wrong:
        print(f"  FAIL  {line}")
    return 1 if wrong else 0
