# SPDX-License-Identifier: GPL-2.0
"""`rvt.py demo`: the same work on the C and on the Rust drivers, in one table.

Checks have to come out the same and well on both; throughput, interrupts and kicks are shown for
comparison and decide nothing, as they depend on the machine.
"""

import argparse
import dataclasses

from . import kernel, kicks, modtree, modules, spec
from .guest import Guest
from .paths import OUT
from .proc import tail
from .say import Failure, say

_DEVICES = ["root", "disk", "network"]


@dataclasses.dataclass
class Side:
    """What one family of drivers made of the work."""

    checks: dict = dataclasses.field(default_factory=dict)
    values: dict = dataclasses.field(default_factory=dict)
    wrong: list = dataclasses.field(default_factory=list)
    log: str = ""


def _run(family: str, ring: str, kdir, ours: list) -> Side:
    """Does the work on one family of drivers and one ring provider."""
    wanted = spec.Spec(family=family, ring=ring, blk=[{"size": "512M"}], net=[{}], trace=kicks.EVENTS)
    guest = Guest(wanted, kdir, ours, f"demo-{family}")
    say(f"Demo on the {family} drivers, {ring} ring; logs: {guest.rundir}")
    counter = kicks.Kicks(guest.rundir / "trace.log", _DEVICES)
    guest.actions["mark"] = counter.mark
    side = Side(log=str(guest.rundir))

    def line(_step: str, text: str) -> None:
        verb, _, rest = text.partition(" ")
        name, _, found = rest.partition("|")
        if verb in ("check", "value"):
            (side.checks if verb == "check" else side.values)[name] = found
            say(f"  {family}: {name}: {found}")
        else:
            print(f"        {text}", flush=True)

    outcome = guest.run([("demo", "sh /run/rvt/demo.sh")], on_line=line)
    for phase in ("disk", "network"):
        count = counter.between(f"{phase} begin", f"{phase} end", phase)
        side.values[f"{phase}: kicks"] = "?" if count is None else str(count)
    if outcome.error:
        side.wrong.append(f"{outcome.error}\n{tail(outcome.rundir / 'console.log', 30)}")
    if outcome.steps and outcome.steps[-1].status not in (0, None):
        side.wrong.append(f"the work ended with status {outcome.steps[-1].status}")
    side.wrong += [f"the kernel complained:\n{text}" for _, text in outcome.splats]
    _check_drivers(side, family, ring)
    return side


def _check_drivers(side: Side, family: str, ring: str) -> None:
    """Checks that the work was done by the drivers and the ring it was meant for, and no others."""
    prefix = "rust_" if family == "rust" else ""
    wanted = {"driver of the root disk": f"{prefix}virtio_blk",
              "driver of the second disk": f"{prefix}virtio_blk",
              "driver of the NIC": f"{prefix}virtio_net",
              "ring": modtree.RINGS[ring]}
    for name, driver in wanted.items():
        if side.values.get(name) != driver:
            side.wrong.append(f"{name}: \"{side.values.get(name, 'none')}\", not \"{driver}\"")
    other = {"virtio_blk", "virtio_net"} if family == "rust" else \
        {"rust_virtqueue", "rust_virtio_blk", "rust_virtio_net"}
    loaded = other & set(side.values.get("virtio modules", "").split())
    if loaded:
        side.wrong.append(f"also loaded: {', '.join(sorted(loaded))}")


def _table(sides: dict) -> int:
    """Prints the table and returns how many rows of it are wrong."""
    families = list(sides)
    titles = {"c": "C", "rust": "Rust"}
    rows, bad = [], 0
    for kind in ("values", "checks"):
        names = list(dict.fromkeys(n for side in sides.values() for n in getattr(side, kind)))
        for name in names:
            cells = [getattr(side, kind).get(name, "missing") for side in sides.values()]
            mark = ""
            if kind == "checks":
                failed = "failed" in cells or "missing" in cells or "" in cells
                differ = len(set(cells)) > 1
                bad += failed or differ
                mark = "FAIL" if failed else "DIFFERS" if differ else "same"
            rows.append((name, *cells, mark))
    head = ("", *[titles[family] for family in families], "")
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    print()
    for row in [head, tuple("-" * width for width in widths), *rows]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print()
    return bad


def _only_boot(ring: str, kdir, ours: list) -> int:
    """Boots a guest from a root disk on the Rust driver and says so; returns the exit status."""
    wanted = spec.Spec(ring=ring, blk=[{"size": "64M"}], net=[{}])
    guest = Guest(wanted, kdir, ours, "demo-boot")
    say(f"Booting a guest; logs: {guest.rundir}")
    found = []
    outcome = guest.run([("boot", "sh /run/rvt/demo-boot.sh")],
                        on_line=lambda _step, text: found.append(text))
    driver = next((line.removeprefix("root ") for line in found if line.startswith("root ")), "")
    if outcome.error or outcome.splats:
        why = outcome.error or f"the kernel complained:\n{outcome.splats[0][1]}"
        raise Failure(f"the guest did not come up: {why}\n"
                      f"{tail(outcome.rundir / 'console.log', 30)}\nLogs: {outcome.rundir}")
    if driver != "rust_virtio_blk":
        raise Failure(f"the guest booted, with its root disk on \"{driver or 'no driver'}\", not "
                      f"on \"rust_virtio_blk\"\nLogs: {outcome.rundir}")
    print(f"The guest booted; the driver of its root disk is {driver}.")
    return 0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    modtree.option(parser)
    parser.add_argument("--only", choices=["c", "rust"], help="one family, without comparing")
    parser.add_argument("--only-boot", action="store_true",
                        help="stop once a guest has booted from a disk on the Rust driver")


def main(args) -> int:
    """Runs the demo and returns 0 if nothing differs."""
    kdir = kernel.directory()
    kernel.check_guest(kdir)
    if args.only_boot:
        return _only_boot(args.ring, kdir, modules.build(kdir))
    families = [args.only] if args.only else ["c", "rust"]
    # All in C on the one side; on the other the ring that was asked for.
    rings = {"c": "c", "rust": args.ring or modtree.default_ring(kdir)}
    ours = modules.build(kdir) if "rust" in families else []
    sides = {family: _run(family, rings[family], kdir, ours if family == "rust" else [])
             for family in families}
    bad = _table(sides)
    for family, side in sides.items():
        print(f"Logs of the {family} guest: {side.log}")
        for text in side.wrong:
            print(f"  {family}: {text}")
    wrong = bad + sum(len(side.wrong) for side in sides.values())
    print("Everything done on both sides alike." if not wrong and not args.only else
          f"{wrong} things wrong." if wrong else "Done.")
    print(f"Build logs: {OUT / 'logs'}")
    return 1 if wrong else 0
