# SPDX-License-Identifier: GPL-2.0
"""`harness.py test-long`: what takes longer than CI may. Parts that have passed on the same tree are not run
again: an interrupted run goes on."""

import functools
import hashlib
import json
import os
import shutil
import sys
import time

from .. import files, tree
from ..build import stock
from ..fresh.machine import RELEASES, Machine, check_release, why_not
from ..guest.transport import LAYOUTS
from ..host import debian
from ..package import life
from ..paths import BUILT, OUT, REPO, cache, new_log
from ..proc import run
from ..report.parts import Parts
from ..report.results import Results
from ..report.tap import Test
from ..say import Failure, say
from . import legs

#: The beginning of a part's name -> the command whose results it leaves.
_RESULTS = {"kunit": "kunit", "selftest": "selftest", "fuzz": "hosttest"}

_DONE = OUT / "test-long-passed.json"


def _command(*arguments: str, **variables: str):
    """Returns a part that is a command of the harness."""
    def part(log) -> None:
        # By the command's own process, which reads what the variables say.
        run([sys.executable, REPO / "tools" / "harness.py", *arguments], log, " ".join(arguments), env=variables)
    return part


def _demo(suite: str):
    """Returns a part that does all that a new user does, and waits for: nothing is shared."""
    def part(log) -> None:
        check_release()
        with Machine(suite, "root", log) as machine:
            machine.run("make demo", f"demo on a bare {RELEASES[suite]}")
            _keep_kernel(machine)
    return part


def _keep_kernel(machine: Machine) -> None:
    """Takes the kernel of a bare machine into the cache, where `make test-fresh` finds it."""
    for built in (machine.place / machine.cache[1:] / "build").glob(f"*/{BUILT}"):
        kept = cache() / "build" / built.parent.name
        if not kept.exists():
            say(f"Keeping {kept}")
            with files.whole(kept) as part:
                run(["cp", "-aT", "--reflink=auto", built.parent, part], machine.log, "copying of the kernel build")


def _cold_ci(log) -> None:
    """Does what CI does on a machine that has never done it, and tells where the time went."""
    check_release()
    start = time.monotonic()
    with Machine(debian.release()[1], "root", log) as machine:
        try:
            machine.run(".ci/run", ".ci/run from nothing")
        finally:
            text = machine.read("out/test.json")
            if text:
                (OUT / "cold-ci.json").write_text(text)
                found = json.loads(text)
                for name, seconds in [*found["parts"].items(), *(
                        (f"of it: {one}", seconds) for one, seconds in found["made"].items())]:
                    say(f"  cold CI: {name}: {seconds:.0f} s")
            say(f"  cold CI: all: {time.monotonic() - start:.0f} s")


#: Name -> what runs it, and a line about it.
PARTS = {
    **{f"demo-{suite}": (_demo(suite), f"make demo on a bare {name}, with all that comes before it")
       for suite, name in RELEASES.items()},
    "cold-ci": (_cold_ci, "CI with an empty cache on a bare machine"),
    "kunit-debug": (_command("kunit", VARIANT="debug"), "the KUnit suites with the memory and locking checkers"),
    "kunit-debug-c": (_command("kunit", VARIANT="debug", RING="c"), "the same on the C ring"),
    "kunit-uml": (_command("kunit", "--variant", "uml"), "the KUnit suites in User-mode Linux"),
    "selftest-c": (_command("selftest", RING="c"), "all selftests on the C ring"),
    **{f"selftest-{layout}": (_command("selftest", LAYOUT=layout), f"all selftests on rings that are "
                              f"{layout}") for layout in LAYOUTS if layout != "split"},
    "selftest-debug": (_command("selftest", VARIANT="debug"), "all selftests with the checkers"),
    "selftest-load": (_command("selftest", T=legs.LOAD), "disks and NICs under load, disturbed a hundred times in "
                      "each way"),
    "selftest-load-debug": (_command("selftest", T=legs.LOAD, VARIANT="debug", ROUNDS="20"), "the same with the "
                            "checkers and with allocations that fail, twenty times"),
    "selftest-moves": (_command("selftest", T=legs.MOVES), "live migration of guests, with disks and NICs under "
                       "load"),
    "selftest-like-c": (_command("selftest", T=legs.LIKE_C), "each feature masked in turn, and random netlink "
                        "requests, with the C and the Rust driver"),
    "selftest-fuzz-debug": (_command("selftest", T="net/fuzz-like-c", VARIANT="debug"), "random netlink requests with "
                            "the checkers"),
    "selftest-upstream": (_command("selftest", T=legs.UPSTREAM), "the kernel's own tests of network drivers, and "
                          "xdp-tools, with the C and the Rust driver"),
    "selftest-debian": (_command("selftest", KERNEL="debian"), "all selftests on Debian's own kernel"),
    **{f"selftest-{kernel}": (_command("selftest", KERNEL=kernel, T=legs.FEW), "a few selftests on that of "
                              f"its flavour {flavour.partition('-')[0]}")
       for kernel, flavour in stock.KERNELS.items() if kernel != "debian"},
    "package": (life.run, "the Debian package from installation to purge, with all flavours of Debian's kernel"),
    "fuzz": (_command("hosttest", HARNESS_FUZZ="3600"), "an hour of fuzzing of the ring core"),
}


def _tree() -> str:
    """Returns a text that changes with this tree."""
    digest = hashlib.sha256()
    for name in tree.files():
        path = REPO / name
        digest.update(name.encode() + (path.read_bytes() if path.is_file() else b""))
    return digest.hexdigest()[:16]


def chosen(asked: str) -> list:
    """Returns the names of the parts to run. Raises `Failure` if there is no such part."""
    names = asked.replace(",", " ").split()
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise Failure(f"LEGS: there is no part {' '.join(unknown)}; there are: {' '.join(PARTS)}")
    return [name for name in PARTS if not names or name in names]


def _done(tree: str) -> dict:
    try:
        found = json.loads(_DONE.read_text())
    except (OSError, ValueError):
        return {}
    return found["parts"] if tree and found.get("tree") == tree else {}


def _one(name: str) -> Test:
    """Runs a part."""
    log = new_log(f"long-{name}")
    say(f"{name}: {PARTS[name][1]}; log: {log}")
    # The results of a command of the harness are in a file that the next part writes anew.
    kind = next((kind for start, kind in _RESULTS.items() if name.startswith(start)), "")
    if kind:
        (OUT / f"{kind}.json").unlink(missing_ok=True)
    reason = why_not("root") if name.startswith(("demo-", "cold")) else ""
    test = Test("long", name, "skip", reason) if reason else Test.tried(
        "long", name, functools.partial(PARTS[name][0], log))
    if kind and (OUT / f"{kind}.json").exists():
        shutil.copy(OUT / f"{kind}.json", OUT / f"long-{name}.json")
    return test


def main(_args) -> int:
    """Runs the parts that `LEGS=` names, or all; `LEGS=list` shows them."""
    asked = os.environ.pop("LEGS", "")
    if asked.strip() == "list":
        width = max(map(len, PARTS))
        for name, (_, text) in PARTS.items():
            print(f"    {name:{width}}  {text}")
        return 0
    tree = _tree()
    done, parts, results = _done(tree), Parts(), Results("test-long")
    for name in chosen(asked):
        if name in done:
            results.add([Test("long", name, "pass", f"passed before, in {done[name]:.0f} s", done[name])])
            print(f"        passed before on this tree (rm {_DONE} to run it again)")
            continue
        with parts.part(name):
            test = _one(name)
        results.add([test])
        if test.result == "pass":
            done[name] = test.seconds
            _DONE.write_text(json.dumps({"tree": tree, "parts": done}, indent=1) + "\n")
    status = results.finish()
    parts.finish(results.path())
    return status
