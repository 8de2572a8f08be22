# SPDX-License-Identifier: GPL-2.0
"""`harness.py selftest`: runs the scripts of selftests/guest in guests.

A script says in its header what guest it wants:

	# guest: {"vcpus":4,"blk":[{"size":"128M"}]}

The text is JSON (see harness/guest/spec.py) and may go on over several such lines, or is the name of a file
beside the script that holds it. Scripts that want equal guests share one. A script that says

	# transports: pci mmio

runs in one guest for each of them, as `<subject>/<name>@pci` and `<subject>/<name>@mmio`. What it
needs of the kernel's configuration besides is in lines of `# config:` (see harness/suites/fits.py).

A script that is to run in several guests has a line for each in place of those, with the arguments that it gets:

	# case: packed N12 N22 {"net":[{"props":{"packed":"on"}}]}

It is `<subject>/<name>-packed` then, and is started with the arguments `N12 N22`.

A script whose description has `"long":true` is run when its own name is asked for, and otherwise left
out.

Beside `<name>.sh` there may be `<name>.host.py`, for what has to happen on the host:
`prepare(guest)` is called before QEMU starts, and `actions(guest)` returns name -> function of one text for the
script's `host run <name> <text>`.
"""

import argparse
import dataclasses
import fnmatch
import functools
import os
import re
import runpy
import threading
from pathlib import Path

from .. import variables
from ..build import modtree, modules
from ..guest import spec, stall, transport
from ..guest.guest import Guest
from ..in_tree import guest_kernel
from ..paths import REPO, SELFTESTS
from ..report.results import Results
from ..report.tap import Test, parse
from ..say import Failure, say, warn
from . import runner
from .kunit import complaints

#: Code of a file is run by one thread at a time.
_running = threading.Lock()

#: Seconds that a script, and one that is long, gets. They are no measure of anything.
_LIMIT, _LONG_LIMIT = 900, 6 * 3600

_GUEST = re.compile(r"^# guest:(.*)$", re.M)
_CASE = re.compile(r"^# case: (\S+) ([^{\n]*)(\{.*\})$", re.M)
_TRANSPORTS = re.compile(r"^# transports:(.*)$", re.M)


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which scripts, and what their guests have where the scripts do not say."""

    pattern: str = ""
    #: Takes the place of the Rust drivers, to compare.
    family: str = ""
    ring: str = ""
    layout: str = ""
    #: Of the kernel: tools/config/<variant>.config.
    variant: str = ""
    #: A kernel from packages, by its KERNEL=; "" for the one that the environment names.
    kernel: str = ""
    #: Which of several runs of the same scripts this is; "" for the one that counts for the table of
    #: docs/parity-tests.md.
    name: str = ""

    def title(self) -> str:
        """Returns what goes behind the names of the tests."""
        return f" ({self.name})" if self.name else ""


def scripts(pattern: str = "") -> list:
    """Returns the names (subject/script or subject/script@transport) that match a pattern, without one
    all but those of long scripts.

    A pattern is a name, with or without a transport, a subject, a script's own name, or a glob;
    several are separated by commas or spaces. Subjects and globs match no long script.
    """
    names = sorted(name for path in SELFTESTS.glob("*/*.sh") if path.parent.name != "lib" for name in _names(path))
    wanted = [part.removesuffix(".sh") for part in re.split(r"[,\s]+", pattern) if part]
    if not wanted:
        return [name for name in names if not _is_long(name)]
    chosen = [name for name in names if any(_matches(name, want) for want in wanted)]
    if not chosen:
        raise Failure(f"no selftest matches \"{pattern}\"; there are:\n    " + "\n    ".join(names))
    return chosen


def _matches(name: str, want: str) -> bool:
    """Returns whether a part of a pattern means a script."""
    whole = name.partition("@")[0]
    if _is_long(name):
        return want in (name, whole, whole.split("/")[1])
    return any(fnmatch.fnmatch(part, want) for one in (name, whole) for part in (one, *one.split("/")))


def _is_long(name: str) -> bool:
    """Returns whether a script is left out where it is not asked for by its name."""
    return bool(re.search(r'"long":\s*true', _wanted_text(name)))


def _names(path: Path) -> list:
    """Returns the names of a script: one, or one for each transport or case that it wants."""
    name, text = f"{path.parent.name}/{path.stem}", path.read_text()
    cases = [f"{name}-{case}" for case, _, _ in _CASE.findall(text)]
    ways = " ".join(_TRANSPORTS.findall(text)).split()
    return cases or [f"{name}@{way}" for way in ways] or [name]


@functools.cache
def _case(name: str) -> tuple:
    """Returns (script, its arguments, what it says of its guest) of a name."""
    stem = name.partition("@")[0]
    path = SELFTESTS / f"{stem}.sh"
    if path.exists():
        return path, "", "".join(_GUEST.findall(path.read_text())).strip() or "{}"
    while "-" in stem:
        stem = stem.rpartition("-")[0]
        path = SELFTESTS / f"{stem}.sh"
        for case, arguments, guest in _CASE.findall(path.read_text()) if path.exists() else ():
            if name == f"{stem}-{case}":
                return path, arguments.strip(), guest
    raise Failure(f"there is no selftest {name}")


def script(name: str) -> Path:
    """Returns the script of a name. Raises `Failure` if there is none."""
    return _case(name)[0]


def _wanted_text(name: str) -> str:
    return _case(name)[2]


def command(name: str, limit: str) -> str:
    """Returns what runs a script in its guest, for so many seconds at most."""
    path, arguments, _ = _case(name)
    run = f"timeout -k 10 {limit} sh ./{path.name} {arguments}".strip()
    return f"cd /run/harness/selftests/{path.parent.name} && {run}"


#: Whatever the scripts say.
_NO_CHOICE = Choice()


def wanted_guest(name: str, choice: Choice = _NO_CHOICE) -> spec.Spec:
    """Returns the guest a script asks for, with what is chosen where it does not say."""
    path, text = script(name), _wanted_text(name)
    try:
        if not text.startswith("{"):
            text = (path.parent / text).read_text()
        guest = spec.parse(text)
        way = name.partition("@")[2] or guest.transport
        chosen = choice.layout if choice.layout in transport.TRANSPORTS[way].layouts else ""
        return dataclasses.replace(
            guest, transport=way,
            family=choice.family or guest.family if guest.family == "rust" else guest.family,
            ring=guest.ring or choice.ring, layout=guest.layout or chosen,
            kernel=guest.kernel or choice.variant)
    except (Failure, OSError) as failure:
        raise Failure(f"{path.relative_to(REPO)}: {failure}")


def run(results: Results, choices: list, options=()) -> None:
    """Runs the scripts of each choice, with options of pytest's."""
    def plugin():
        from . import items  # Only here: it imports pytest, which may just have been installed.
        return items.Plugin(results, legs)

    legs = {choice: scripts(choice.pattern) for choice in choices}
    kernels = {f"-{choice.kernel}" for choice in choices if choice.kernel}
    runner.run(sorted({script(name) for names in legs.values() for name in names}), "".join(["selftest", *kernels]),
               ["--quiet", "--no-summary", "--capture=no", *options], plugin)


def our_modules(kdir: Path, guest: spec.Spec, family: str) -> list:
    """Builds our modules. On C alone tests can do without, if they do not build just now."""
    if guest.kernel == guest_kernel.VARIANT:
        return []
    try:
        return modules.build(kdir, variant=guest.kernel)
    except Failure as failure:
        if family != "c" or guest.provider() != "c":
            raise
        warn(f"going on without our modules: {failure}")
        return []


def run_guest(results: Results, wanted: spec.Spec, names: list, kdir: Path, ours: list, title: str) -> None:
    """Runs scripts in one guest, and those left over when it dies in another. After a guest that the emulation let
    down, all are in one thread. `title` goes behind the names of their tests."""
    left = list(names)
    while left:
        outcome, wanted = stall.run(results, left[0], wanted, functools.partial(_boot, left, kdir, ours))
        tests = _collect(outcome, left)
        for test in tests:
            test.suite += title
        results.add(tests)
        ran = {step.name for step in outcome.steps}
        left = [name for name in left if name not in ran] if ran else []


def _boot(names: list, kdir: Path, ours: list, wanted: spec.Spec):
    """Runs scripts in one guest, and returns its outcome."""
    label = names[0].replace("/", "-") + (f"-and-{len(names) - 1}-more" if names[1:] else "")
    guest = Guest(wanted, kdir, ours, label)
    say(f"Guest ({wanted.family} drivers, {wanted.provider()} ring, {wanted.vcpus} vCPUs, "
        f"{len(wanted.blk)} disks, {len(wanted.net)} NICs) for {', '.join(names)}; logs: {guest.rundir}")
    seconds = _LONG_LIMIT if wanted.long else _LIMIT
    for name in names:
        _host_side(guest, name)
    return guest.run([(name, command(name, f"$(({seconds} * HARNESS_PATIENCE))")) for name in names],
                     on_line=_progress, limit=max(3600, seconds * len(names)),
                     env={"HARNESS_ROUNDS": os.environ.get("ROUNDS", ""), "HARNESS_ONLY": os.environ.get("ONLY", "")})


def _host_side(guest: Guest, name: str) -> None:
    """Loads what a script brings for the host."""
    path = script(name).with_suffix(".host.py")
    if not path.exists():
        return
    with _running:
        code = runpy.run_path(str(path))
    if "prepare" in code:
        guest.prepare.append(code["prepare"])
    if "actions" in code:
        guest.actions.update(code["actions"](guest))


def _progress(step: str, text: str) -> None:
    if os.environ.get("V"):
        print(f"    {step}| {text}", flush=True)


def _collect(outcome, names: list) -> list:
    """Returns the tests of the scripts that ran in a guest."""
    tests = []
    for step in outcome.steps:
        found = parse(step.lines, step.name)
        if step.status is None:
            # What the guest died of is reported below; a plan not fulfilled says nothing more.
            found = [test for test in found if test.name != "plan"]
        elif step.status and not any(test.result == "fail" for test in found):
            why = "ran too long" if step.status in (124, 137) else f"exit status {step.status}"
            found.append(Test(step.name, "exit", "fail", why + "\n" + "\n".join(step.lines[-20:])))
        for test in found:
            test.seconds = step.seconds / len(found) if step.status is not None else 0.0
        failed = [test for test in found if test.result == "fail"]
        if failed and step.console and step.status is not None:
            failed[-1].reason += f"\nKernel log:\n{step.console}\nLog: {outcome.rundir}"
        tests += found
    for test in complaints(outcome, ""):
        # A guest's death belongs to the script it died in, or to the first one it was for.
        step = re.search(r"during (?:after-)?(\S+)", test.reason)
        test.suite = step.group(1) if step and step.group(1) in names else (
            outcome.steps[-1].name if outcome.steps else names[0])
        tests.append(test)
    if not outcome.steps:
        tests += [Test(name, "all", "fail", f"the guest did not come up: {outcome.error}") for name in names[1:]]
    return tests


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("-t", dest="pattern", default=os.environ.get("T", ""),
                        help="which scripts: a name, a subject, a glob (also T=)")
    variables.option(parser, "--family", "run with the C drivers instead, to compare", choices=["", "rust", "c"])
    modtree.option(parser)
    transport.option(parser)
    variables.variant(parser)


def main(args) -> int:
    """Runs the selftests and prints the summary."""
    results = Results("selftest")
    run(results, [Choice(args.pattern, args.family, args.ring, args.layout, args.variant)], args.rest)
    return runner.finish(results, args.rest)
