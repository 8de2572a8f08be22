# SPDX-License-Identifier: GPL-2.0
"""What the kernel's own tests and xdp-tools said with each driver: kept in out/, and written into
docs/upstream-tests.md."""

import collections
import json
import re

from .. import files
from ..paths import OUT, REPO
from ..say import Failure, say

#: What the guests told, test by test.
FILE = OUT / "upstream.json"
PAGE = REPO / "docs" / "upstream-tests.md"

#: Of the page: the generated part is behind this line.
_MARK = "<!-- Below: made by `tools/harness.py upstream-table` from the last runs. -->\n"

#: A test with more cases than this is told in groups.
_MANY = 50

_WORDS = {"pass": "pass", "fail": "FAIL", "skip": "skip", "xfail": "xfail", "none": "not run"}


def load() -> dict:
    """Returns table -> test -> cases of the last runs."""
    try:
        return json.loads(FILE.read_text())
    except (FileNotFoundError, ValueError):
        return {}


class Recorder:
    """Takes the cases of one run of one table. The first case of a test takes the place of what the table has of it."""

    def __init__(self, table: str):
        self._table = table
        self._begun = set()

    def record(self, text: str) -> None:
        """Takes a case, as JSON."""
        case = json.loads(text)
        tables = load()
        tests = tables.setdefault(self._table, {})
        if case["test"] not in self._begun:
            self._begun.add(case["test"])
            tests[case["test"]] = []
        tests[case["test"]].append(case)
        FILE.parent.mkdir(exist_ok=True)
        with files.whole(FILE) as part:
            part.write_text(json.dumps(tables, indent=1) + "\n")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*").replace("_", "\\_")


def _line(*cells) -> str:
    return f"| {' | '.join(cells)} |\n"


def _counts(cases: list, driver: str) -> str:
    """Returns how many cases had each result, as text."""
    found = [case[driver] for case in cases]
    return ", ".join(f"{found.count(result)} {word}" for result, word in _WORDS.items() if result in found)


def _because(case: dict) -> str:
    """Returns why a case is not passed."""
    if case.get("unstable"):
        return case["unstable"]
    c, rust = case["why_c"], case["why_rust"]
    return f"C: {c} Rust: {rust}" if c and rust and c != rust and case["c"] != case["rust"] else c or rust


def _rows(test: str, cases: list) -> list:
    """Returns a line for each case of a test. Of a test with many cases, those that ended in the same way with both
    drivers share a line."""
    groups = {}
    for index, case in enumerate(cases):
        same = len(cases) > _MANY and case["c"] == case["rust"]
        groups.setdefault(case["c"] if same else index, []).append(case)
    lines = []
    for group in groups.values():
        case = group[0]
        words = [" ".join([_WORDS[case[driver]], case.get(f"figure_{driver}", "")]).strip() for driver in ("c", "rust")]
        if case["c"] != case["rust"]:
            words[1] = f"**{words[1]}**"
        names = ", ".join(one["case"] for one in group)
        if len(group) > 1:
            names = f"{len(group)} cases" + ("" if case["c"] == "pass" else f": {names}")
        lines.append(_line(test if not lines else "", _cell(names), *words, _cell(_because(case)[:200])))
    return lines


def _kept(old: str, heading: str) -> dict:
    """Returns test -> its lines below a heading of a page that was made before."""
    lines = old.partition(f"## {heading}\n")[2].partition("\n## ")[0].splitlines(keepends=True)
    kept, test = {}, ""
    for line in [line for line in lines if line.startswith("| ")][1:]:
        test = line[2:].partition(" |")[0].strip() or test
        kept.setdefault(test, []).append(line)
    return kept


def _sum(lines: list, column: int) -> str:
    """Returns the sum of the counts that a column of some lines has."""
    counts = collections.Counter()
    for line in lines:
        for number, word in re.findall(r"(\d+) ([^,|]+)", line.split(" | ")[column]):
            counts[word.strip()] += int(number)
    return ", ".join(f"{counts[word]} {word}" for word in _WORDS.values() if counts[word])


def page(tables: dict, old: str = "") -> str:
    """Returns the generated part of the page. A test that the last runs did not have keeps the lines of `old`, the
    part that was made before."""
    text = ""
    for title, name in (("The kernel's tests", "net"), ("xdp-tools", "xdp-tools")):
        short, long = _kept(old, f"{title}: in short"), _kept(old, f"{title}: case by case")
        short.pop("all", None)
        for test, cases in tables.get(name, {}).items():
            differ = sum(case["c"] != case["rust"] for case in cases)
            short[test] = [_line(test, _counts(cases, "c"), _counts(cases, "rust"), str(differ))]
            long[test] = _rows(test, cases)
        if not short:
            continue
        every = [line for test in sorted(short) for line in short[test]]
        text += f"\n## {title}: in short\n\n" + _line("test", "C", "Rust", "cases that differ") + "|---|---|---|---|\n"
        text += "".join(every) + _line("all", _sum(every, 1), _sum(every, 2),
                                       str(sum(int(line.split(" | ")[3].strip("| \n")) for line in every)))
        text += f"\n## {title}: case by case\n\n"
        text += _line("test", "case", "C", "Rust", "why") + "|---|---|---|---|---|\n"
        text += "".join(line for test in sorted(long) for line in long[test])
    return text


def main(_args) -> int:
    """Writes the results of the last runs into the page."""
    tables = load()
    if not tables:
        raise Failure(f"{FILE} is not there: run make selftest T=upstream/net and T=upstream/xdp-tools first")
    head, mark, old = PAGE.read_text().partition(_MARK)
    if not mark:
        raise Failure(f"{PAGE} has no line \"{_MARK.strip()}\"")
    PAGE.write_text(head + mark + page(tables, old))
    say(f"{PAGE.relative_to(REPO)} made")
    return 0
