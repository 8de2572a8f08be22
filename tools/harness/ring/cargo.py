# SPDX-License-Identifier: GPL-2.0
"""Cargo, and the crate of the ring core (virtqueue/ring): runs its tests and reads the results."""

import os
import re
import shutil
from pathlib import Path

from ..paths import REPO
from ..proc import CommandFailed
from ..proc import run as run_logged
from ..report.tap import Test

#: The crate of the ring core.
CRATE = REPO / "virtqueue" / "ring"
#: How cargo is called.
COMMON = ["--locked", "--offline", "-j2"]
_SUITE = re.compile(r"^ *Running (?:unittests )?(\S+) \(")
_TEST = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. (?:.* )?(ok|FAILED|ignored)(?:, .*)?$")
_OUTPUT = re.compile(r"^---- (\S+) stdout ----$")


def find_cargo() -> str:
    """Returns the path of cargo, "" if there is none."""
    own = Path(os.environ.get("CARGO_HOME", "~/.cargo")).expanduser() / "bin" / "cargo"
    return shutil.which("cargo") or (str(own) if os.access(own, os.X_OK) else "")


def cargo_test(argv: list, arguments: list, log: Path, env: dict) -> tuple:
    """Builds and runs tests of the crate. Returns the lines that they printed, and the status. Raises `Failure` if they
    cannot be built."""
    run_logged([*argv, "--no-run"], log, "Building the tests of the ring", cwd=CRATE, env=env)
    try:
        return run_logged([*argv, "--no-fail-fast", *arguments], log, "Tests of the ring", cwd=CRATE,
                          env=env).splitlines(), 0
    except CommandFailed as failed:
        return failed.printed.splitlines(), 1


def parse(lines: list, status: int, name: str, ignored: str = "") -> list:
    """Returns the results of a run of cargo test, each with what a failed test printed.

    `name` is that of the run; `ignored` says why tests were, if they were.
    """
    tests, failed, suite, shown = [], {}, "unit", None
    for line in lines:
        running, test, output = _SUITE.match(line), _TEST.match(line), _OUTPUT.match(line)
        if running:
            file = Path(running[1])
            stem = file.parent.name if file.stem == "main" else file.stem
            suite, shown = stem.replace("lib", "unit"), None
        elif test:
            result = {"ok": "pass", "FAILED": "fail", "ignored": "skip"}[test[2]]
            path = test[1].removeprefix("ring::").replace("tests::", "")
            module, _, title = path.rpartition("::")
            title = (f"{module}: " if module else "") + title.replace("_", " ")
            tests.append(Test(f"{name}/{suite}", title, result, ignored if result == "skip" else ""))
            if result == "fail":
                failed[(suite, test[1])] = tests[-1]
        elif output:
            shown = failed.get((suite, output[1]))
        elif line == "failures:":
            shown = None
        elif shown is not None:
            shown.reason = f"{shown.reason}\n{line}".strip()
    if status and not failed:
        tests.append(Test(name, "cargo", "fail", "\n".join(lines[-20:])))
    if not tests:
        tests.append(Test(name, "cargo", "fail", "no test ran"))
    return tests
