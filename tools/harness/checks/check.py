# SPDX-License-Identifier: GPL-2.0
"""`harness.py check`: what can be said about the tree in a minute, without building or booting anything.

All parts run, also when one fails. What they look at is named in harness/checks/places.py.
"""

import argparse
import time
import traceback

from ..host import needs, setup
from ..paths import REPO
from ..report import parity
from ..report.results import Results
from ..report.tap import Test
from ..say import Failure, warn
from . import circles, language, links, lint, names, places, ratchet

#: So many findings of a part are printed; the rest is counted.
_SHOWN = 30


def prose() -> tuple:
    """Checks the language of comments and documents: no kind of finding may become more frequent in a folder."""
    found = _prose()
    recorded, now = _recorded(language.KINDS), _counts(found)
    wrong = []
    for kind, folder, before, number in ratchet.risen(recorded, now):
        wrong.append(f"{folder}: {number} times, {before} at most: {language.KINDS[kind]}")
        wrong += [f"  {path.relative_to(REPO)}:{line}" for path, line, what in found
                  if what == kind and places.folder(path) == folder]
    left = [f"{kind} {ratchet.total(now, kind)}" for kind in language.KINDS if ratchet.total(now, kind)]
    note = f"{len(places.prose()) + len(places.markdown())} files; left to mend: {', '.join(left) or 'nothing'}"
    return wrong, note + ("" if wrong else _fewer(recorded, now))


def _recorded(kinds) -> dict:
    """Returns the recorded counts of some kinds."""
    return {kind: folders for kind, folders in ratchet.load(places.COUNTS).items() if kind in kinds}


def _fewer(recorded: dict, now: dict) -> str:
    fallen = ratchet.fallen(recorded, now)
    return f"; {fallen} fewer than recorded: tools/harness.py check --record" if fallen else ""


def _prose() -> list:
    """Returns `(file, line, kind)` for each finding."""
    read = [(path, language.findings) for path in places.prose()]
    read += [(path, language.document_findings) for path in places.markdown()]
    return [(path, line, kind) for path, findings in read for line, kind in findings(path.read_text())]


def _counts(found: list) -> dict:
    return ratchet.count([(kind, places.folder(path)) for path, _, kind in found])


def imports() -> tuple:
    """Checks that the files of a crate do not import each other in a circle: no more of them than before."""
    found = _circles()
    recorded, now = _recorded([_CIRCLE]), _circle_counts(found)
    wrong = []
    for _, folder, before, number in ratchet.risen(recorded, now):
        wrong.append(f"{folder}: {number} files that import themselves by way of others, {before} at most")
        wrong += [f"  {path.relative_to(REPO)}: by way of {', '.join(others)}" for place, path, others in found
                  if place == folder]
    note = f"{', '.join(places.NO_CIRCLES)}; left to mend: {len(found) or 'nothing'}"
    return wrong, note + ("" if wrong else _fewer(recorded, now))


#: The kind of findings that circles of imports are counted as.
_CIRCLE = "circle"


def _circles() -> list:
    """Returns `(folder, file, files on the way)` for each file that imports itself by way of others."""
    return [(folder, path, others) for folder in places.NO_CIRCLES
            for path, others in circles.findings(REPO / folder)]


def _circle_counts(found: list) -> dict:
    return ratchet.count([(_CIRCLE, folder) for folder, *_ in found])


def _listed(kind: str) -> list:
    """Returns a line for each finding of a kind."""
    if kind == _CIRCLE:
        return [f"{path.relative_to(REPO)}: by way of {', '.join(others)}" for _, path, others in _circles()]
    return [f"{path.relative_to(REPO)}:{line}: {path.read_text().splitlines()[line - 1].strip()}"
            for path, line, what in _prose() if what == kind]


def documents() -> tuple:
    """Checks that links in documents lead to something."""
    files = places.markdown()
    return [f"{path.relative_to(REPO)}:{line}: {reason}" for path in files
            for line, reason in links.findings(path, REPO)], f"{len(files)} documents"


def tables() -> tuple:
    """Checks that the tables of docs/ have the form, and that the sources have the tests they name."""
    rows = parity.rows()
    wanted = sorted({name for row in rows for name in row[4]})
    absent = set(names.missing(wanted))
    wrong = parity.form(rows)
    wrong += [f"{row[1]}: no test \"{name}\" in the sources" for row in rows for name in row[4] if name in absent]
    return wrong, f"{len(rows)} rows, {len(wanted)} tests"


#: Name -> (function, what to do about its findings).
PARTS = {
    "rustfmt": (lint.rustfmt, "make format"),
    "language": (prose, "write it plainly (CONTRIBUTING.md); tools/harness.py check --list KIND lists all of a kind, "
                 "and --record is for files that moved"),
    "imports": (imports, "move what both need into a file below them; --record is for files that moved"),
    "links": (documents, "correct the links"),
    "tables": (tables, "name the test as it is called now, or write it (docs/parity.md, docs/hostile.md)"),
    "ruff": (lint.ruff, "make format does some; the rest by hand (ruff.toml has the exceptions)"),
    "checkpatch": (lint.checkpatch, "by hand; what does not apply is listed in tools/harness/checks/lint.py"),
    "shellcheck": (lint.shellcheck, "by hand; \"# shellcheck disable=SC... # why\" where it is meant so"),
    "clippy": (lint.clippy, "by hand; #[expect(clippy::...)] where it is meant so"),
}


def run(results: Results) -> None:
    """Runs all parts."""
    try:
        setup.bring(needs.check_needs)
    except Failure as failure:
        warn(f"some of the tools are not here: {failure}")
    for name, (function, advice) in PARTS.items():
        results.tests.append(_part(name, function, advice))


def _part(name: str, function, advice: str) -> Test:
    """Runs one part, and prints its line."""
    start = time.monotonic()
    try:
        found, note = function()
        result = "fail" if found else "pass"
    except lint.Skip as reason:
        found, note, result = [], str(reason), "skip"
    except Failure as failure:
        found, note, result = [str(failure)], "", "fail"
        advice = ""
    except Exception:  # pylint: disable=broad-except
        # The other parts have something to say all the same.
        found, note, result, advice = traceback.format_exc().splitlines(), "", "fail", ""
    seconds = time.monotonic() - start
    word = {"pass": "  ok", "fail": "FAIL", "skip": "skip"}[result]
    print(f"  {word}  {name:10}  {seconds:5.1f} s  {note}", flush=True)
    for line in found[:_SHOWN]:
        print(f"        {line}")
    if found[_SHOWN:]:
        print(f"        and {len(found) - _SHOWN} lines more")
    if found and advice:
        print(f"        What to do: {advice}", flush=True)
    return Test("check", name, result, note if result == "skip" else "\n".join(found[:_SHOWN]), seconds)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--record", action="store_true",
                        help=f"write the counts of findings, which may only fall, to {places.COUNTS.name}")
    parser.add_argument("--list", choices=[*language.KINDS, _CIRCLE], metavar="KIND",
                        help=f"print all findings of a kind: {', '.join([*language.KINDS, _CIRCLE])}")
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part only")
    parser.add_argument("--format", action="store_true", help="put the layout of Rust and Python code right")


def main(args) -> int:
    """Runs all parts and prints how many failed."""
    if args.record:
        ratchet.update(places.COUNTS, {**_counts(_prose()), **_circle_counts(_circles())},
                       [*language.KINDS, _CIRCLE])
        return 0
    if args.list:
        print("".join(f"{line}\n" for line in _listed(args.list)), end="")
        return 0
    if args.format:
        setup.bring(needs.check_needs)
        return 1 if any([lint.rustfmt(fix=True)[0], lint.ruff(fix=True)[0]]) else 0
    if args.only:
        failed = [name for name in args.only if _part(name, *PARTS[name]).result == "fail"]
        return 1 if failed else 0
    results = Results("check")
    run(results)
    results.write()
    failed = [test.name for test in results.tests if test.result == "fail"]
    took = sum(test.seconds for test in results.tests)
    print(f"{len(results.tests) - len(failed)} of {len(results.tests)} parts are fine, in {took:.0f} s"
          + (f"; not: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0
