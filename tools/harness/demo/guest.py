# SPDX-License-Identifier: GPL-2.0
"""The guest of the demo: one boot, in which a disk and a NIC go from family to family and back."""

import dataclasses
import json

from bench.lane import SCRIPTS
from bench.turns import order

from ..build.modtree import FAMILIES
from ..guest import kicks, spec, stall
from ..guest.guest import Guest
from ..proc import tail
from ..say import Progress, say

#: Drivers on the virtio bus by family: of the disk, of the NIC.
DRIVERS = {"c": ("virtio_blk", "virtio_net"), "rust": ("rust_virtio_blk", "rust_virtio_net")}
#: The family that the root disk stays with.
ROOT = "rust"


@dataclasses.dataclass(frozen=True)
class Task:
    """Something that each family does in each round."""

    #: Without spaces; names the task in logs.
    name: str
    #: "disk" or "net".
    kind: str
    #: The last argument of demo-turn.sh.
    argument: str
    #: In words.
    title: str
    #: Field of a sample with a rate -> in words.
    rates: dict

    @property
    def unit(self) -> str:
        """The unit of its rates."""
        return "IOPS" if self.kind == "disk" else "Mbit/s"


def _disk(depth: int) -> Task:
    return Task(f"disk-{depth}", "disk", str(depth), f"4k I/O, depth {depth}",
                {name: f"fio 4k {name}, depth {depth}" for name in ("read", "write")})


TASKS = (
    _disk(1),
    _disk(32),
    Task("out", "net", "out", "iperf3 to the host", {"rate": "iperf3 to the host"}),
    Task("in", "net", "in", "iperf3 from the host", {"rate": "iperf3 from the host"}),
)


@dataclasses.dataclass
class Side:
    """What was found of one family."""

    #: Name -> "ok", what must be the same on both sides, or "failed".
    checks: dict = dataclasses.field(default_factory=dict)
    values: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Findings:
    """What a guest showed."""

    rounds: int
    sides: dict = dataclasses.field(default_factory=lambda: {name: Side() for name in DRIVERS})
    #: (task's name, family) -> round -> what was measured: rates, "ops" (of a disk), "mb", "irqs", and
    #: "kicks", which may be None.
    samples: dict = dataclasses.field(default_factory=dict)
    #: What went wrong, besides checks.
    wrong: list = dataclasses.field(default_factory=list)
    notes: list = dataclasses.field(default_factory=list)

    def column(self, task: str, family: str, figure) -> list:
        """Returns `figure(sample)` of every round, None where a round gave none."""
        found = self.samples.get((task, family), {})
        return [figure(found[number]) if number in found else None for number in range(self.rounds)]


def run(kdir, ours: list, ring: str, rounds: int, log) -> Findings:
    """Runs the guest; a second time if the emulation let it down. `log` takes lines of text."""
    wanted = spec.Spec(family=ROOT, ring=ring, blk=[{"size": "512M"}], net=[{}], trace=kicks.EVENTS)
    found, why = _run(wanted, kdir, ours, rounds, log)
    if why:
        note = f"The emulation let the guest down, which was run again: {why}"
        say(note)
        log(note)
        found, _ = _run(dataclasses.replace(wanted, accel=stall.SINGLE), kdir, ours, rounds, log)
        found.notes.append(note)
    return found


def _run(wanted, kdir, ours: list, rounds: int, log) -> tuple:
    """Returns what a guest showed, and what the emulation did to it."""
    guest = Guest(wanted, kdir, ours, "demo")
    say(f"One guest, in which a disk and a NIC change hands; logs: {guest.rundir}")
    log(f"Guest: {guest.rundir}")
    counter = kicks.Kicks(guest.rundir / "trace.log")
    guest.actions["mark"] = counter.mark
    entries = {entry.step: entry for entry in order([task.name for task in TASKS], list(DRIVERS), rounds)}
    follower = _Follower(Findings(rounds), entries, log)
    try:
        outcome = guest.run(_steps(entries.values()), on_line=follower.line,
                            files={name: SCRIPTS / name for name in
                                   ("devices.sh", "prepare.sh", "throughput-net.sh")},
                            env={"HARNESS_EARLY": "/run/harness/demo-early.sh"})
    finally:
        follower.end()
    for entry in entries.values():
        sample = follower.found.samples.get((entry.task, entry.stack), {}).get(entry.round)
        if sample:
            at = f"{entry.number} "
            device = counter.device(f"{at}give", f"{at}begin")
            sample["kicks"] = counter.count(device, f"{at}begin", f"{at}end")
    _judge(follower.found, outcome, entries)
    return follower.found, stall.reason(outcome)


def _steps(entries) -> list:
    """Returns the guest's steps: the drivers are loaded, all is checked, then measured in turn."""
    modules = " ".join(module for family in DRIVERS for module in FAMILIES[family])
    script = "sh /run/harness/demo.sh"
    steps = [("prepare", f"sh /run/harness/job/prepare.sh {modules} && sh /run/harness/job/throughput-net.sh serve")]
    # Each rereads what the one before it wrote; the first comes to that in the end.
    for before, family in (("", "c"), ("c", "rust"), ("rust", "c")):
        blk, net = DRIVERS[family]
        if before:
            steps.append((f"reread:{family}", f"{script} reread {blk} {net}"))
        if (before, family) != ("rust", "c"):
            steps.append((f"check:{family}", f"{script} check {blk} {net}"))
    tasks = {task.name: task for task in TASKS}
    for entry in entries:
        task = tasks[entry.task]
        driver = DRIVERS[entry.stack][task.kind == "net"]
        steps.append((entry.step, f"sh /run/harness/demo-turn.sh {entry.number} {task.kind} {driver} {task.argument}"))
    return [*steps, ("end", f"{script} end")]


class _Follower:
    """Takes the lines of the guest."""

    def __init__(self, found: Findings, entries: dict, log):
        self.found = found
        self._entries = entries
        self._log = log
        self._progress = Progress("demo")
        self._titles = {task.name: task.title for task in TASKS}

    def line(self, step: str, text: str) -> None:
        """Takes one line of a step."""
        self._log(f"{step}: {text}")
        verb, _, rest = text.partition(" ")
        name, _, value = rest.partition("|")
        kind, _, family = step.partition(":")
        entry = self._entries.get(step)
        if entry and verb == "sample":
            self.found.samples.setdefault((entry.task, entry.stack), {})[entry.round] = json.loads(rest)
            self._progress.update(f"round {entry.round + 1} of {self.found.rounds}: {self._titles[entry.task]}")
        elif verb in ("check", "value") and kind in ("check", "reread", "end"):
            # What is asked of the kernel log in the end is asked of both.
            for side in [self.found.sides[family]] if family else self.found.sides.values():
                (side.checks if verb == "check" else side.values)[name] = value
            self._progress.update(f"{family} drivers: {name}: {value}")
        elif verb == "detail":
            self.found.wrong.append(f"{step}: {rest}")

    def end(self) -> None:
        """Clears the line of progress."""
        self._progress.end()


def _judge(found: Findings, outcome, entries: dict) -> None:
    """Notes what went wrong besides checks."""
    if outcome.error:
        found.wrong.append(f"the guest: {outcome.error}\n{tail(outcome.rundir / 'console.log', 30)}")
    for step in outcome.steps:
        if step.status:
            last = next((line for line in reversed(step.lines) if line.strip()), "without a word")
            found.wrong.append(f"{step.name} ended with status {step.status}: {last}")
        elif step.name in entries and not any(line.startswith("sample ") for line in step.lines):
            found.wrong.append(f"{step.name} measured nothing: {' '.join(step.lines)[:200]}")
    found.wrong += [f"the kernel complained during {step}:\n{text}" for step, text in outcome.splats]
