# SPDX-License-Identifier: GPL-2.0
"""`harness.py in-tree-kunit`: the kernel's own kunit.py runs our suites, built in, from a .kunitconfig.

Under QEMU the kernel is the guest kernel with everything built in, so that it need not be built twice;
that the .kunitconfig is enough by itself is shown by configuring another from it. In User-mode Linux
the kernel is built from nothing but that .kunitconfig, and tools/config/in-tree.kunitconfig, which leaves
out what takes long to build.
"""

import functools
import json
import os
import re
import shutil
import time
from pathlib import Path

from ..build import kconfig
from ..guest import accel, qemu
from ..guest.console import Console
from ..host import toolchain
from ..paths import CONFIG, REPO, log_dir
from ..proc import run as run_logged
from ..report.results import Results
from ..report.tap import Test
from ..say import Failure, say, warn
from ..suites import kunit, side_by_side
from . import guest_kernel, in_tree

#: The suites and what they need, as a kernel developer names it.
_KUNITCONFIG = in_tree.PLACE
_SMALL = CONFIG / "in-tree.kunitconfig"

#: Comes before the QEMU in PATH where KVM does not work.
_TCG = REPO / "tools" / "in-tree" / "tcg"

#: A hang guard, in seconds.
_LIMIT = 900

_NOT_RUN, _FAILED = "the suite did not run", "failed:"

_SUITE = re.compile(r"^\s*#\[(?:kernel::prelude::)?kunit_tests\((\w+)\)\]", re.M)
_RESULTS = {"PASS": "pass", "SKIP": "skip"}


def suites() -> set:
    """Returns the names of all suites that the kernel is given."""
    return {name for path in in_tree.parts().values() if path.suffix == ".rs"
            for name in _SUITE.findall(path.read_text())}


def run(results: Results) -> None:
    """Runs the suites under QEMU and in User-mode Linux, one while the kernel of the other is built."""
    with guest_kernel.current() as tree:
        side_by_side.run(results, [functools.partial(_one, arch=arch, suites_of=suites_of, tree=tree)
                                   for arch, suites_of in (("x86_64", _x86_64), ("um", _um))])


def _one(results: Results, arch: str, suites_of, tree: Path) -> None:
    results.attempt(f"in-tree/{arch}", "kernel", lambda part: part.add(suites_of(tree)))


def _x86_64(tree: Path) -> list:
    """Runs the suites under QEMU."""
    kdir = guest_kernel.build(tree)
    only = guest_kernel.top() / "x86_64-kunitconfig"
    shutil.rmtree(only, ignore_errors=True)
    name = "the kunitconfig is enough by itself"
    try:
        _kunit_py(tree, "config", only, "x86_64")
    except Failure as failure:
        return [Test("in-tree/x86_64", name, "fail", str(failure))]
    wanted = kconfig.read(only / "last_used_kunitconfig")
    lacking = kconfig.unmet(kconfig.read(kdir / ".config"), wanted)
    if lacking:
        raise Failure("tools/config/in-tree.config lacks what the .kunitconfig asks for:\n    "
                      + "\n    ".join(lacking))
    # By this kunit.py knows a configuration that it need not make again.
    shutil.copy(only / "last_used_kunitconfig", kdir)
    return [Test("in-tree/x86_64", name, "pass"), *_suites(tree, kdir, "x86_64")]


def _um(tree: Path) -> list:
    """Runs the suites in User-mode Linux.

    With timers of high resolution it may lose its next tick where threads sleep for microseconds, and then
    sleeps until a signal comes. It drops what it prints while the pipe is full that kunit.py reads,
    results too: then the suites are run again, once.
    """
    build = guest_kernel.top() / "um"
    for _ in range(2):
        start = time.monotonic()
        tests = _suites(tree, build, "um", _SMALL, arguments="highres=off")
        if not any(_is_cut(test) for test in tests) or time.monotonic() - start > _LIMIT:
            break
        warn("User-mode Linux lost lines with results, running the suites again")
    return tests


def _is_cut(test: Test) -> bool:
    """Returns whether a suite ended without a result."""
    return test.result == "fail" and test.reason in (_NOT_RUN, f"{_FAILED} ")


def _suites(tree: Path, build: Path, arch: str, *more: Path, arguments: str = "") -> list:
    """Builds a kernel, runs it with arguments, and returns the result of each suite."""
    found = build / "harness-kunit.json"
    found.unlink(missing_ok=True)
    console = Console(build / "test.log")
    console.path.unlink(missing_ok=True)
    start, wrong = time.monotonic(), ""
    try:
        options = [f"--json={found}", f"--timeout={_LIMIT}"]
        options += [f"--kernel_args={arguments}"] if arguments else []
        _kunit_py(tree, "run", build, arch, *more, options=options)
    except Failure as failure:
        wrong = str(failure)
        if not found.exists():
            raise
    tests = _read(json.loads(found.read_text()), f"in-tree/{arch}")
    console.poll()
    for _, text in console.splats(kunit.EXPECTED):
        tests.append(Test(f"in-tree/{arch}", "kernel-log", "fail",
                          f"the kernel complained\n{text}\nLog: {console.path}"))
    if wrong and all(test.result != "fail" for test in tests):
        tests.append(Test(f"in-tree/{arch}", "kunit.py", "fail", wrong))
    for test in tests:
        test.seconds = (time.monotonic() - start) / len(tests)
    return tests


def _read(group: dict, name: str) -> list:
    """Returns one test for each of our suites, also for those that did not run."""
    ran = {part["name"]: part["test_cases"] for part in group["sub_groups"]}
    tests = []
    for suite in sorted(suites() | {part for part in ran if part.startswith("rust_virtio")}):
        cases = ran.get(suite, [])
        bad = [case["name"] for case in cases if case["status"] not in _RESULTS]
        skipped = [case["name"] for case in cases if case["status"] == "SKIP"]
        if not cases:
            tests.append(Test(name, suite, "fail", _NOT_RUN))
        elif bad:
            tests.append(Test(name, suite, "fail", f"{_FAILED} {', '.join(bad)}"))
        elif len(skipped) == len(cases):
            tests.append(Test(name, suite, "skip", f"skipped: {', '.join(skipped)}"))
        else:
            tests.append(Test(name, suite, "pass"))
    return tests


def _kunit_py(tree: Path, command: str, build: Path, arch: str, *more: Path, options=()) -> None:
    """Runs kunit.py, which prints nothing while it builds: the number of objects tells how far it is."""
    tools = toolchain.find()
    log = log_dir() / f"kunit.py-{arch}.log"
    say(f"kunit.py {command} --arch={arch}; log: {log}")
    env = tools.env()
    if (command, arch) == ("run", "x86_64") and accel.choose(build / "arch/x86/boot/bzImage") != "kvm":
        env |= {"PATH": f"{_TCG}:{os.environ['PATH']}", "HARNESS_QEMU": shutil.which(qemu.binary())}
    counted = [0.0, ""]

    def count(_lines: int, last: str) -> str:
        now = time.monotonic()
        if now - counted[0] > 10:
            # Directories come and go meanwhile, which os.walk() does not mind.
            objects = sum(name.endswith(".o") for _, _, names in os.walk(build) for name in names)
            counted[:] = now, f"{objects} objects; "
        return counted[1] + last[:60]

    run_logged(["tools/testing/kunit/kunit.py", command, f"--arch={arch}", f"--build_dir={build}",
                *(f"--kunitconfig={path}" for path in (_KUNITCONFIG, *more)),
                *(f"--make_options={option}" for option in tools.make()), *options],
               log, f"kunit.py {command}", cwd=tree, env=env, count=count)


def main(_args) -> int:
    """Runs the suites and prints the summary."""
    results = Results("in-tree")
    run(results)
    return results.finish()
