# SPDX-License-Identifier: GPL-2.0
"""`harness.py test-fresh`: what README promises of a machine with nothing prepared, on bare Debian 12 and 13.

As root, and as an ordinary user with sudo: set-up, the module build, and the demo up to its guest. The
kernel is one of this machine's cache, where a fitting one is there: building it is no part of this.
"""

import functools
import os

from ..paths import new_log
from ..report.results import Results
from ..report.tap import Test, why
from ..say import Failure, say
from ..suites import side_by_side
from . import bad, kernel, stamp
from .machine import RELEASES, USERS, Machine, check_release, why_not

#: A hash of each file that says which packages there are.
_SOURCES = "find /etc/apt -type f -exec sha256sum {} +"

STEPS = ["set-up", "set-up finds nothing more to do", "the machine's package sources are as they were",
         "the modules build", "the demo boots a guest"]
_BAD = "bad input"


def chosen(asked: str) -> list:
    """Returns the pairs of a release and a leg that some words choose: releases, legs, or both in one word
    (`trixie:root`). Raises `Failure` if a word is none of these."""
    legs = (*USERS, "bad")
    every = [(suite, leg) for suite in RELEASES for leg in legs]
    words = asked.replace(",", " ").split()
    unknown = [word for word in words if word not in (*RELEASES, *legs) and tuple(word.split(":")) not in every]
    if unknown:
        raise Failure(f"LEGS: there is no {' '.join(unknown)}; there are: {' '.join(RELEASES)}, "
                      f"each with {' '.join(legs)}")
    suites, some = set(words) & set(RELEASES), set(words) & set(legs)
    return [(suite, leg) for suite, leg in every
            if f"{suite}:{leg}" in words or not words
            or (suites | some and suite in (suites or RELEASES) and leg in (some or legs))]


def run(results: Results, asked: str = "", always: bool = False) -> None:
    """Runs the legs that are asked for; without `always`, those that have not yet passed as they are."""
    pairs = chosen(asked)
    try:
        check_release()
    except Failure as failure:
        results.add([Test(f"fresh/{suite}", "all", "skip", str(failure)) for suite in RELEASES])
        return
    legs = {suite: [leg for its, leg in pairs if its == suite] for suite in RELEASES}
    # Installing packages is the work of one processor.
    side_by_side.run(results, [lambda part, suite=suite: _release(part, suite, legs[suite], always)
                               for suite in RELEASES if legs[suite]])


def _release(results: Results, suite: str, legs: list, always: bool) -> None:
    """Runs the legs of one release."""
    try:
        now = stamp.key(suite)
    except Failure as failure:
        same = not always and all(stamp.same_code(f"{suite}:{leg}") for leg in legs)
        results.add([Test(f"fresh/{suite}", "all", "skip" if same else "fail",
                          f"as it has passed; {failure}".splitlines()[0] if same
                          else str(failure))])
        return
    except Exception as error:  # pylint: disable=broad-except
        # The other release has results all the same.
        results.add([Test(f"fresh/{suite}", "all", "fail", why(error))])
        return
    for leg in legs:
        _leg(results, suite, leg, now, always)


def _leg(results: Results, suite: str, leg: str, now: str, always: bool) -> None:
    names = bad.names() if leg == "bad" else STEPS
    title = _BAD if leg == "bad" else leg
    day = "" if always else stamp.passed(f"{suite}:{leg}", now)
    reason = f"passed on {day}, and neither set-up nor what it installs has changed since" if day \
        else why_not(leg if leg in USERS else "root")
    if reason:
        results.add([Test(f"fresh/{suite}", f"{title}: {name}", "skip", reason) for name in names])
        return
    log = new_log(f"fresh-{suite}-{leg}")
    say(f"Fresh: a bare {RELEASES[suite]}, {title}; log: {log}")
    before = len(results.tests)
    try:
        if leg == "bad":
            bad.run(results, suite, title, log)
        else:
            with Machine(suite, leg, log) as machine:
                _steps(results, machine)
    except Exception as error:  # pylint: disable=broad-except
        # The other legs have results all the same.
        results.add([Test(f"fresh/{suite}", f"{title}: the bare machine", "fail", why(error))])
    # A step that was skipped has yet to pass.
    if all(test.result == "pass" for test in results.tests[before:]):
        stamp.note(f"{suite}:{leg}", now)


def _steps(results: Results, machine: Machine) -> None:
    """Does what a new user does. What comes after a failed step is skipped."""
    suite, reason = f"fresh/{machine.suite}", ""
    steps = [_set_up, _again, _sources,
             lambda machine: kernel.run(machine, "make modules", "module build"),
             lambda machine: kernel.run(machine, "/usr/bin/python3 tools/harness.py demo --only-boot",
                                        "start of the demo")]
    for name, step in zip(STEPS, steps):
        title = f"{machine.user}: {name}"
        test = Test(suite, title, "skip", reason) if reason else Test.tried(
            suite, title, functools.partial(step, machine))
        if test.result == "fail":
            reason = f"\"{name}\" failed"
        results.add([test])


def _set_up(machine: Machine) -> None:
    # Set-up fetches lists of packages for Python; here it has to do without, and there without Python.
    if machine.user != "root":
        machine.get_python()
    machine.as_root(f"{_SOURCES} >/root/sources-before", "look at the package sources")
    machine.run("make setup", f"set-up of {RELEASES[machine.suite]}")


def _again(machine: Machine) -> None:
    machine.run("make setup >out/again && cat out/again && ! grep -E 'Missing|Installing|Building' "
                "out/again", "second set-up")


def _sources(machine: Machine) -> None:
    machine.as_root(f"{_SOURCES} >/root/sources-after && "
                    "diff /root/sources-before /root/sources-after", "look at the package sources")


def main(_args) -> int:
    """Runs all legs, also those that have passed, and prints the summary."""
    results = Results("fresh")
    run(results, os.environ.get("LEGS", ""), always=True)
    return results.finish()
