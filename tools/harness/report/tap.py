# SPDX-License-Identifier: GPL-2.0
"""Parses TAP, as selftest scripts write it, and KTAP, as KUnit does."""

import dataclasses
import re
import time
import traceback

from ..say import Failure

_TEST = re.compile(r"^(?P<indent> *)(?P<not>not )?ok\b *(?P<number>\d+)? *(?:- )?(?P<rest>.*)$")
_PLAN = re.compile(r"^(?P<indent> *)1\.\.(?P<count>\d+)(?: *# *SKIP *(?P<reason>.*))?$", re.I)
_SKIP = re.compile(r"^(?P<name>.*?) *# *SKIP\b *(?P<reason>.*)$", re.I)


class Skipped(Exception):
    """A test could not be run here, for a reason that is no failure."""


def why(error: Exception) -> str:
    """Returns the reason of a test that failed by an error. The error itself comes first, as a summary has the first
    line only; an error that is no `Failure` is a fault of the harness, and its traceback follows."""
    if isinstance(error, Failure):
        return str(error)
    said = "".join(traceback.format_exception_only(type(error), error)).strip()
    return f"{said}\n{''.join(traceback.format_exception(type(error), error, error.__traceback__))}".strip()


@dataclasses.dataclass
class Test:
    """One result. `result` is "pass", "fail" or "skip"."""

    suite: str
    name: str
    result: str
    reason: str = ""
    seconds: float = 0.0

    @classmethod
    def judged(cls, suite: str, name: str, wrong: str) -> "Test":
        """Returns a test that failed for what is wrong, or passed if nothing is."""
        return cls(suite, name, "fail" if wrong else "pass", wrong)

    @classmethod
    def tried(cls, suite: str, name: str, function) -> "Test":
        """Returns the test that a function comes to its end: skipped by `Skipped`, failed by any other error."""
        start, result, reason = time.monotonic(), "pass", ""
        try:
            function()
        except Skipped as skipped:
            result, reason = "skip", str(skipped)
        except Exception as error:  # pylint: disable=broad-except
            result, reason = "fail", why(error)
        return cls(suite, name, result, reason, time.monotonic() - start)

    def full_name(self) -> str:
        """Returns the name by which the parity table knows the test."""
        return f"{self.suite}:{self.name}"


def parse(lines, suite: str, indent: int = 0) -> list:
    """Returns the tests at one level of indentation of a TAP text.

    A plan that does not fit, and output without any test, are failures of their own: a script that
    stops half-way must not look as if it had passed.
    """
    tests, plan, comments = [], None, []
    for line in lines:
        planned = _PLAN.match(line)
        if planned and len(planned["indent"]) == indent:
            plan = int(planned["count"])
            if plan == 0:
                return [Test(suite, "all", "skip", planned["reason"] or "nothing to do")]
            continue
        found = _TEST.match(line)
        if found and len(found["indent"]) == indent:
            tests.append(_test(suite, found, comments))
            comments = []
        else:
            comments.append(line)
    if plan is None and tests:
        tests.append(Test(suite, "plan", "fail", "no plan line"))
    elif plan is not None and plan != len(tests):
        tests.append(Test(suite, "plan", "fail", f"planned {plan} tests, ran {len(tests)}"))
    elif not tests:
        tests.append(Test(suite, "plan", "fail", "no test ran\n" + "\n".join(comments[-20:])))
    return tests


def _test(suite: str, found, comments: list) -> Test:
    text = found["rest"].strip()
    skip = _SKIP.match(text)
    if skip and not found["not"]:
        return Test(suite, skip["name"].strip(), "skip", skip["reason"].strip())
    if found["not"]:
        return Test(suite, text or found["number"], "fail", "\n".join(comments[-30:]).strip())
    return Test(suite, text or found["number"], "pass")


def parse_kunit(lines, suite: str) -> list:
    """Returns the cases of the results that KUnit keeps of one suite in debugfs."""
    lines = [line for line in lines
             if not line.strip().startswith("KTAP version") and not line.endswith("speed: normal")]
    for indent in (4, 0):
        if any(_TEST.match(line) and len(_TEST.match(line)["indent"]) == indent for line in lines):
            return parse(lines, suite, indent)
    return [Test(suite, "plan", "fail", "no test ran")]
