# SPDX-License-Identifier: GPL-2.0
"""Collects results: prints them, writes them as JSON, sums them up."""

import dataclasses
import json
from pathlib import Path

from ..paths import OUT
from ..say import say
from .tap import Test, why


class Results:
    """The tests of one command, in the order they ran."""

    def __init__(self, name: str):
        self.name = name
        self.tests = []
        #: Of an earlier run, and not done again in this one: they stay in the file, which says so.
        self.earlier = []

    def add(self, tests) -> None:
        """Takes results and prints each on a line; failures with their reason."""
        for test in tests:
            self.tests.append(test)
            word = {"pass": "  ok", "fail": "FAIL", "skip": "skip"}[test.result]
            reason = f" ({test.reason})" if test.result == "skip" else ""
            print(f"  {word}  {test.full_name()}{reason}", flush=True)
            if test.result == "fail" and test.reason:
                print("\n".join("        " + line for line in test.reason.splitlines()), flush=True)

    def attempt(self, suite: str, name: str, function) -> None:
        """Calls a function with these results, to which it adds. A failed test of this name is added if the function
        raises an error."""
        try:
            function(self)
        except Exception as error:  # pylint: disable=broad-except
            self.add([Test(suite, name, "fail", why(error))])

    def count(self, result: str) -> int:
        """Returns how many tests had a result."""
        return sum(test.result == result for test in self.tests)

    def path(self) -> Path:
        """Returns the JSON file."""
        return OUT / f"{self.name}.json"

    def write(self, more=None) -> None:
        """Writes the JSON file, with what `more` has besides."""
        OUT.mkdir(exist_ok=True)
        every = Results(self.name)
        every.tests = self.tests + self.earlier
        text = {**(more or {}), "passed": every.count("pass"), "failed": every.count("fail"),
                "skipped": every.count("skip"),
                "tests": [{**dataclasses.asdict(test), "seconds": round(test.seconds, 3)} for test in every.tests]}
        if self.earlier:
            text["earlier"] = sorted({test.suite for test in self.earlier})
        self.path().write_text(json.dumps(text, indent=1) + "\n")

    def merge_into(self, name: str) -> None:
        """Puts the tests into the JSON file of another command, in place of older ones of their suites.

        Of the suite "harness", which all commands have, only tests of the same name give way.
        """
        def place(suite: str, test: str) -> tuple:
            return (suite, test if suite == "harness" else "")

        other = Results(name)
        mine = {place(test.suite, test.name) for test in self.tests}
        other.tests = [test for test in load(name) if place(test.suite, test.name) not in mine]
        other.tests += self.tests
        # What else is in the file stays.
        before = _read(other.path())
        if "earlier" in before:
            mine = {test.suite for test in self.tests}
            before["earlier"] = [suite for suite in before["earlier"] if suite not in mine]
        other.write(before)

    def finish(self) -> int:
        """Writes the file, prints the summary, and returns the exit status."""
        self.write()
        say(f"Results: {self.path()}")
        for title, result in (("Skipped:", "skip"), ("Failed:", "fail")):
            tests = [test for test in self.tests if test.result == result]
            if tests:
                print(title)
            for test in tests:
                print(": ".join([f"    {test.full_name()}", *test.reason.splitlines()[:1]]))
        if not self.tests:
            print("No test ran.")
        passed, failed = self.count("pass"), self.count("fail")
        print(f"{passed} passed, {failed} failed, {self.count('skip')} skipped", flush=True)
        return 0 if passed and not failed else 1


def _read(path: Path) -> dict:
    """Returns what a JSON file has, nothing if there is none or its writing was interrupted."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}


def load(name: str) -> list:
    """Returns the tests of a JSON file, none if there is no such file."""
    return [Test(**test) for test in _read(OUT / f"{name}.json").get("tests", [])]
