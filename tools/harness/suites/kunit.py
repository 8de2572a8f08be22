# SPDX-License-Identifier: GPL-2.0
"""`harness.py kunit`: loads the modules with their KUnit suites in a guest and reads the results."""

import argparse
import functools
import os
import re

from .. import variables
from ..build import kernel, modtree, modules
from ..guest import spec, stall
from ..guest.guest import Guest, silence
from ..report.results import Results
from ..report.tap import Test, parse_kunit
from ..say import say
from ..uml import steps as uml_steps
from . import fits, refused, side_by_side

#: Loading order; any other module of the build comes after these.
_ORDER = ["rust_virtqueue", "rust_virtio_blk", "rust_virtio_net"]

_READ = ("for f in /sys/kernel/debug/kunit/*/results; do echo \"suite $(basename $(dirname $f))\"; cat $f; done")

#: What suites bring about on purpose: a transmit queue whose device loses an interrupt.
EXPECTED = [r"NETDEV WATCHDOG: .*\(?rust_virtio_net|rust_virtio_net .*NETDEV WATCHDOG"]

#: The end of a case, or the beginning of a suite.
_RESULT = re.compile(r"\s(not )?ok \d+ |# Subtest: ")

#: Seconds that KUnit gives a case.
_CASE = 300

#: Globs that have each suite once. A guest for each runs at the same time as others: suites wait much of their
#: time, for a device that does not answer. They are in the order of the time that they take.
SHARES = ["rust_virtio_[!n]*", "rust_virtio_net_[!a-p]*", "rust_virtio_net_[a-p]*", "rust_[!v]*"]

#: Processors that the guests of a ring have together, for each of the machine's.
_ROOM = 2


def _cmdline(kdir, suites: str = "") -> str:
    """Returns what has to be told to a guest's kernel: of which suites to run cases, by a glob, too.

    What loads a module waits for each case in a state that the kernel calls hung after a time.
    """
    case = _CASE * silence(kdir)
    chosen = f" kunit.filter_glob={suites}" if suites else ""
    return f"kunit.timeout={case} sysctl.kernel.hung_task_timeout_secs={case * 6 // 5}{chosen}"


def run(results: Results, variant: str = "", ring: str = "", title: str = "", suites: str = "") -> None:
    """Runs every suite of our modules on a ring provider, in several guests, or those that fit a glob in one; `title`
    goes behind the names of suites.

    On a kernel without KUnit or without the provider the results say so.
    """
    kdir = kernel.directory(variant)
    why = fits.why_no_suites(kdir) or modtree.why_not_ring(kdir, ring)
    if why:
        results.add([Test(f"kunit{title}", "suites", "skip", why)])
        return
    ring = ring or modtree.default_ring(kdir)
    if variant != "uml":
        kernel.check_guest(kdir)
    ours = modules.build(kdir, kunit=True, variant=variant)
    if not title and variant != "uml":
        results.add(refused.run(modules.output_dir(kdir, True, variant)))
    names = sorted({path.stem for path in ours} - modtree.omitted(kdir, ring),
                   key=lambda name: (_ORDER.index(name) if name in _ORDER else 99, name))
    say(f"KUnit{title}: guests load {' '.join(names)}")
    steps = [("before", "ls /sys/kernel/debug/kunit")]
    steps += [(f"load-{name}", f"modprobe ${{HARNESS_TREE:+-d $HARNESS_TREE}} {name}") for name in names]
    steps += [("results", _READ)]

    def share(part: Results, glob: str) -> None:
        if variant == "uml":
            outcome, messages = uml_steps.run(kdir, ours, steps, "kunit-uml", EXPECTED)
        else:
            outcome, messages = _in_qemu(part, kdir, ours, ring, steps, glob)
        tests = _collect(outcome, names, messages)
        for test in tests:
            test.suite += title
        part.add(tests)

    def attempted(glob: str):
        return lambda part: part.attempt(f"kunit{title}", glob or "suites", functools.partial(share, glob=glob))

    shares = [suites] if suites or variant == "uml" else SHARES
    side_by_side.run(results, [attempted(glob) for glob in shares],
                     [spec.Spec().vcpus] * len(shares), _ROOM * (os.cpu_count() or 1))


def _in_qemu(results: Results, kdir, ours: list, ring: str, steps: list, suites: str) -> tuple:
    """Runs the steps in a guest of QEMU; returns the outcome and the lines of the kernel log."""
    guests = []

    def boot(wanted: spec.Spec):
        guests.append(Guest(wanted, kdir, ours, "kunit"))
        say(f"Logs: {guests[-1].rundir}")
        return guests[-1].run(steps)

    wanted = spec.Spec(family="none", root="initramfs", ring=ring, allow=EXPECTED, cmdline=_cmdline(kdir, suites))
    outcome, _ = stall.run(results, "kunit", wanted, boot)
    return outcome, guests[-1].console.messages()


def _collect(outcome, names: list, messages: list) -> list:
    """Returns the tests of a finished guest; `messages` is its kernel log."""
    steps = {step.name: step for step in outcome.steps}
    known = set(steps["before"].lines) if "before" in steps else set()
    tests, suite, text = [], "", []
    for line in [*(steps["results"].lines if "results" in steps else []), "suite "]:
        if not line.startswith("suite "):
            text.append(line)
            continue
        if suite and suite not in known:
            tests += parse_kunit(text, suite)
        suite, text = line[6:], []
    if "results" not in steps:
        tests += _from_log(messages, known)
    for name in names:
        step = steps.get(f"load-{name}")
        if not step or step.status != 0:
            why = "\n".join(step.lines) if step else "the guest did not come that far"
            tests.append(Test("kunit", f"load {name}", "fail",
                              f"{why}\n{step.console if step else ''}\nLog: {outcome.rundir}"))
    if not tests:
        tests.append(Test("kunit", "suites", "fail", f"the modules have no KUnit suite\nLog: {outcome.rundir}"))
    tests += complaints(outcome, "kunit")
    _attach(tests, steps, outcome)
    return tests


def _from_log(messages: list, known: set) -> list:
    """Returns the cases that the kernel log tells of, for a guest that did not come to its end.

    A suite that was under way is there as far as it got, and fails for want of its plan.
    """
    suites, name = {}, ""
    for line in messages:
        if line.startswith("    # Subtest: "):
            name = line[15:].strip()
        if line.startswith("    "):
            suites.setdefault(name, []).append(line)
    return [test for name, text in suites.items() if name and name not in known for test in parse_kunit(text, name)]


def _attach(tests: list, steps: dict, outcome) -> None:
    """Gives failed cases what the kernel log says about them."""
    log = [line for step in steps.values() if step.name.startswith("load-") for line in step.console.splitlines()]
    for test in tests:
        if test.result == "fail" and test.suite != "kunit":
            near = _near(log, test.name)
            test.reason = "\n".join([test.reason, *near, f"Log: {outcome.rundir}"]).strip()


def _near(lines: list, name: str) -> list:
    """Returns what the log has about a case: from what ran before it, where checks say why they
    fail, to a few lines after the first that names it.
    """
    hits = [i for i, line in enumerate(lines) if f"# {name}" in line]
    if not hits:
        return []
    first = next((i + 1 for i in range(hits[0] - 1, -1, -1) if _RESULT.search(lines[i])), hits[0])
    return lines[max(first, hits[0] - 15):hits[0] + 15]


def complaints(outcome, suite: str) -> list:
    """Returns a failed test for a guest that died and for each complaint of its kernel."""
    tests = []
    if outcome.error:
        tests.append(Test(suite, "guest", "fail",
                          f"{outcome.error}\n" + "\n".join(outcome.notes)
                          + f"\nLog: {outcome.rundir}/console.log"))
    for step, text in outcome.splats:
        tests.append(Test(suite, "kernel-log", "fail",
                          f"the kernel complained during {step}\n{text}\n"
                          f"Log: {outcome.rundir}/console.log"))
    return tests


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    variables.variant(parser, "; uml runs them in User-mode Linux, without an emulator")
    parser.add_argument("--suites", default="", help="a glob: run the suites, or suite.case, that fit it")
    modtree.option(parser)


def main(args) -> int:
    """Runs the suites and prints the summary."""
    results = Results("kunit")
    run(results, args.variant, args.ring, suites=args.suites)
    status = results.finish()
    # A kernel that can have no suite is no fault of theirs.
    return 0 if not results.count("pass") + results.count("fail") and results.tests else status
