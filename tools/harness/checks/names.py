# SPDX-License-Identifier: GPL-2.0
"""Whether the tests that the tables of docs/ name are in the sources, found without running them.

`<suite>:<name>` is a case of a KUnit suite, a test of the ring core on the host, of the harness, or of a
guest selftest. A name that is put together when the test runs has to fit a text in the script with
anything in place of its variables: `make parity` is what knows for certain, after a run.
"""

import functools
import re

from ..say import Failure
from ..suites import selftest
from . import places

_SUITE = re.compile(r"kunit_tests\((\w+)\)")
_FUNCTION = re.compile(r"\bfn (\w+)")
#: A text in double quotes, of one line, and what a shell puts in for a part of it.
_TEXT = re.compile(r'"((?:[^"\\\n$]|\\.|\$\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)|\$)+)"')
_VARIABLE = re.compile(r"\$\([^()]*(?:\([^()]*\)[^()]*)*\)|\$\{[^}]*\}|\$[\w@*#?]+")
#: So many letters of a name have to be in the source.
_LETTERS = 4


def missing(names: list) -> list:
    """Returns those of the names of tests that no source has."""
    return [name for name in names if not exists(name)]


def exists(full_name: str) -> bool:
    """Returns whether the sources have a test."""
    suite, _, name = full_name.partition(":")
    if suite in _kunit():
        return name in _kunit()[suite]
    if suite.startswith("tools/"):
        return _in_harness(suite.removeprefix("tools/"), name)
    script = _script(suite)
    if script:
        return any(pattern.fullmatch(name) for pattern in _texts(script))
    return suite.startswith("ring/") and _in_ring(suite.removeprefix("ring/"), name)


def is_suite(name: str) -> bool:
    """Returns whether the sources have a KUnit suite or a guest selftest of a name."""
    return name in _kunit() or _script(name) is not None


def _script(suite: str):
    """Returns the guest selftest of a name, None if there is none."""
    try:
        return selftest.script(suite)
    except Failure:
        return None


@functools.cache
def _kunit() -> dict:
    """Returns suite -> names of its cases."""
    suites = {}
    for path in places.rust():
        parts = _SUITE.split(path.read_text())
        for suite, text in zip(parts[1::2], parts[2::2]):
            suites.setdefault(suite, set()).update(_FUNCTION.findall(text))
    return suites


def _in_harness(module: str, name: str) -> bool:
    path = places.HARNESS_TESTS / f"test_{module}.py"
    title = name.partition(": ")[2]
    return path.exists() and any(
        found.replace("_", " ") == title for found in re.findall(r"def test_(\w+)", path.read_text()))


def _in_ring(suite: str, name: str) -> bool:
    """Returns whether a test of the ring core has a function, or is made by a macro from its words."""
    title = name.rpartition(": ")[2]
    words = _ring_words(suite)
    return title.replace(" ", "_") in words or all(word in words for word in title.split())


@functools.cache
def _ring_words(suite: str) -> frozenset:
    top = places.RING_TESTS
    files = [top / f"{suite}.rs", *sorted((top / suite).glob("**/*.rs"))]
    if suite == "unit":
        files = sorted(top.parent.glob("*.rs")) + sorted(top.parent.glob("*/*.rs"))
    words = set()
    for path in files:
        if path.exists():
            for word in re.findall(r"\w+", path.read_text()):
                words.update((word, *word.split("_")))
    return frozenset(words)


@functools.cache
def _texts(script) -> tuple:
    """Returns the patterns of all names that a guest selftest can print."""
    files = [script, *sorted((places.SELFTESTS / "lib").glob("*.sh"))]
    found = {_pattern(text) for path in files for text in _TEXT.findall(path.read_text())}
    return tuple(re.compile(pattern) for pattern in sorted(found - {""}))


def _pattern(text: str) -> str:
    """Returns the pattern of a text in a shell script; "" if it has hardly any words of its own."""
    text = re.sub(r"\\(.)", r"\1", text)
    fixed = _VARIABLE.split(text)
    if sum(character.isalpha() for part in fixed for character in part) < _LETTERS:
        return ""
    return ".*".join(re.escape(part) for part in fixed)
