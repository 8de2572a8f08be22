# SPDX-License-Identifier: GPL-2.0
"""`harness.py demo`: the same work on the C and on the Rust drivers, in one guest and one table.

Checks have to come out the same and well on both; rates and counts are shown for comparison and
decide nothing, as they depend on the machine.
"""

import argparse
import shutil
import time
from pathlib import Path

from bench import ratio

from ..build import kernel, modtree, modules
from ..guest import spec
from ..guest.guest import Guest
from ..paths import OUT
from ..proc import tail
from ..say import Failure, say
from . import cost, figures, table
from . import guest as demo_guest

#: What the host's side of the work is done by.
_PROGRAMS = ("iperf3", "socat", "dnsmasq", "qemu-system-x86_64", "qemu-img")


class _Log:
    """The file with all that the table leaves out."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = open(path, "w", encoding="utf-8", buffering=1)

    def __call__(self, text: str) -> None:
        """Writes a line."""
        self._file.write(f"{text}\n")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    modtree.option(parser)
    parser.add_argument("--rounds", type=int, default=ratio.ROUNDS,
                        help=f"how often each rate is measured (default {ratio.ROUNDS}, below "
                             "which nothing is concluded)")
    parser.add_argument("--only-boot", action="store_true",
                        help="stop once a guest has booted from a disk on the Rust driver")


def main(args) -> int:
    """Runs the demo and returns 0 if nothing but speed differs."""
    if args.rounds < 1:
        raise Failure(f"--rounds {args.rounds}: at least one round is needed")
    start = time.monotonic()
    _check_programs()
    kdir = kernel.directory()
    kernel.check_guest(kdir)
    ring, fixed = _ring(kdir, args.ring)
    ours = modules.build(kdir)
    _check_modules(ours)
    if args.only_boot:
        return _only_boot(ring, kdir, ours)
    log = _Log(OUT / "demo.log")
    found = demo_guest.run(kdir, ours, ring, args.rounds, log)
    costs = _costs(kdir, ours, ring, fixed, found, log)
    name = modtree.RINGS[ring] + (", built in" if fixed else "")
    found.wrong += figures.wrong_drivers(found, name)
    return _report(found, costs, ring, log, time.monotonic() - start)


def _check_programs() -> None:
    absent = [name for name in _PROGRAMS if not shutil.which(name)]
    if absent:
        raise Failure(f"not installed: {', '.join(absent)} (make setup)")


def _ring(kdir: Path, asked: str) -> tuple:
    """Returns who provides the rings, and whether that one is built into the kernel. Raises `Failure` if another one
    was asked for."""
    why = modtree.why_not_ring(kdir, asked)
    if why:
        raise Failure(f"RING={asked} cannot be: {why}")
    return asked or modtree.default_ring(kdir), bool(modtree.built_in_ring(kdir))


def _check_modules(ours: list) -> None:
    built = {Path(module).stem for module in ours}
    absent = [module for module in modtree.FAMILIES["rust"] if module not in built]
    if absent:
        raise Failure(f"the build made no {', '.join(absent)}: the demo needs all drivers "
                      "(MODULE_ARGS may leave some out)")


def _only_boot(ring: str, kdir: Path, ours: list) -> int:
    """Boots a guest from a root disk on the Rust driver and says so; returns the exit status."""
    wanted = spec.Spec(family=demo_guest.ROOT, ring=ring, blk=[{"size": "64M"}], net=[{}])
    guest = Guest(wanted, kdir, ours, "demo-boot")
    say(f"Booting a guest; logs: {guest.rundir}")
    found = []
    outcome = guest.run([("boot", "sh /run/harness/demo-boot.sh")], on_line=lambda _step, text: found.append(text))
    driver = next((line.removeprefix("root ") for line in found if line.startswith("root ")), "")
    if outcome.error or outcome.splats:
        why = outcome.error or f"the kernel complained:\n{outcome.splats[0][1]}"
        raise Failure(f"the guest did not come up: {why}\n"
                      f"{tail(outcome.rundir / 'console.log', 30)}\nLogs: {outcome.rundir}")
    meant = demo_guest.DRIVERS[demo_guest.ROOT][0]
    if driver != meant:
        raise Failure(f"the guest booted, with its root disk on \"{driver or 'no driver'}\", not "
                      f"on \"{meant}\"\nLogs: {outcome.rundir}")
    print(f"The guest booted; the driver of its root disk is {driver}.")
    return 0


def _costs(kdir: Path, ours: list, ring: str, fixed: bool, found, log: _Log) -> dict:
    """Returns the instructions by (driver, ring), as far as they can be counted here."""
    why = cost.check()
    if why:
        found.notes.append(f"No instructions were counted: {why}. make bench-quick LEGS=cost "
                           "counts them where QEMU has plugins.")
        return {}
    say("Counting the instructions of single operations")
    try:
        costs = cost.count(kdir, ours, cost.wanted(ring, fixed))
    except Failure as failure:
        found.wrong.append(f"counting instructions: {failure}")
        return {}
    for (driver, provider), works in costs.items():
        for work, value in works.items():
            log(f"{work}, {driver} driver, {provider} ring: {value:,.1f} instructions")
    return costs


def _setting(found) -> list:
    """Says which drivers and which ring the guest had, as it saw them itself."""
    def seen(family: str, name: str) -> str:
        return found.sides[family].values.get(name, "none")

    disk, nic = (" and ".join(seen(family, f"driver of the {name}") for family in demo_guest.DRIVERS)
                 for name in ("second disk", "NIC"))
    return [f"One guest: root disk on {seen('rust', 'driver of the root disk')}, all queues on "
            f"{seen('rust', 'ring')}.",
            f"A second disk had {disk} in turn, a NIC {nic}."]


def _method(rounds: int) -> str:
    """Says how rates are compared."""
    if rounds < ratio.ROUNDS:
        return f"Rates are those of Rust divided by those of C: the median of {rounds} rounds (the range)."
    return (f"Rates are those of Rust divided by those of C: the median of {rounds} rounds "
            f"({100 * ratio.SURE:.0f} % interval).")


def _report(found, costs: dict, ring: str, log: _Log, seconds: float) -> int:
    """Prints the table, logs the rest, and returns the exit status."""
    rows = figures.main_rows(found, costs, ring)
    checks = figures.check_rows(found)
    bad = [row for row in checks if row.wrong]
    log(table.text([*rows, *figures.more_rows(found), *checks]))
    lines = ["", *_setting(found), _method(found.rounds), "", table.text(rows), ""]
    lines += found.notes
    lines += [f"{row.verdict}: {row.name}: C: {row.c}; Rust: {row.rust}" for row in bad]
    lines += found.wrong
    wrong = sum(row.wrong for row in [*rows, *bad]) + len(found.wrong)
    lines.append("Something other than speed is wrong." if wrong else "Everything done on both sides alike.")
    for line in lines:
        print(line)
        log(line)
    say(f"Took {seconds / 60:.1f} min. All checks and figures: {log.path}")
    return 1 if wrong else 0
