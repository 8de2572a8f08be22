# SPDX-License-Identifier: GPL-2.0
"""The guest of the stacks on one ring provider, and its part of a plan (see rounds.py)."""

import json

from harness.guest import stall
from harness.guest.guest import Guest
from harness.guest.spec import Spec
from harness.paths import REPO
from harness.say import say

#: Scripts for the guests of the benchmark.
SCRIPTS = REPO / "tools" / "bench" / "guest"
#: So many guests in a row may be let down by the emulation before anything is measured.
VAIN = 3
#: No guest takes this long (seconds) but a stuck one.
LIMIT = 6 * 3600


class Lane:
    """Runs the measurements of one group of stacks."""

    def __init__(self, rounds, group: list, entries: list):
        """`rounds` is the Rounds that collects; `entries` are those of the group's stacks."""
        self._rounds = rounds
        self._plan = rounds.plan
        self._group = group
        self._entries = {entry.step: entry for entry in entries}

    def run(self) -> None:
        """Runs the guest; again from there on, if the emulation let it down, unless it does so
        time and again without any progress."""
        report, part = self._rounds.bench.report, self._plan.part
        name = f"{part}: the guest of {self._names()}"
        left = list(self._entries.values())
        vain = 0
        while True:
            before = len(left)
            outcome = self._guest(left)
            left = self._sort(outcome, left)
            why = stall.reason(outcome)
            vain = vain + 1 if len(left) == before else 0
            if not left or not why or vain == VAIN:
                break
            report.skip(f"{part}: the end of a guest, which was run again",
                        f"the emulation let it down: {why}; {_logs(outcome)}")
        if outcome.error or left:
            report.problem(name, f"{outcome.error or 'ended early'}, with {len(left)} measurements left; "
                                 f"{_logs(outcome)}")
        for step, text in outcome.splats:
            first = text.strip().partition("\n")[0]
            report.problem(name, f"the kernel complained during {step}: {first}; {_logs(outcome)}")

    def _names(self) -> str:
        return ", ".join(stack.label for stack in self._group)

    def _guest(self, entries: list):
        """Boots a guest and makes these measurements in it."""
        guest = Guest(self._spec(), self._rounds.bench.kdir, self._rounds.bench.ours,
                      f"bench-{self._plan.part}-{self._group[0].ring}",
                      actions={"turn": self._turn})
        guest.prepare.append(self._plan.host)
        say(f"  guest of {self._names()}; logs: {guest.rundir}")
        files = {name: SCRIPTS / name
                 for name in ["devices.sh", "prepare.sh", "turn.sh", *self._plan.scripts]}
        outcome = guest.run(self._steps(entries), files={**files, **self._plan.files},
                            on_line=self._line, limit=LIMIT)
        self._plan.ended(self._rounds, outcome.rundir)
        return outcome

    def _steps(self, entries: list) -> list:
        """Returns the guest's steps: one to get ready, then one for each measurement."""
        stacks = {stack.name: stack for stack in self._group}
        modules = dict.fromkeys(module for stack in self._group for module in stack.modules)
        ready = f"sh /run/harness/job/prepare.sh {' '.join(modules)}"
        if self._plan.prepare:
            ready += f" && {self._plan.prepare}"
        return [("prepare", ready)] + [
            (entry.step, f"sh /run/harness/job/turn.sh {entry.number} "
                         f"{self._plan.tasks[entry.task](stacks[entry.stack])}")
            for entry in entries]

    def _spec(self) -> Spec:
        """Returns the guest: on the C drivers, with this group's ring provider and no other."""
        return self._plan.spec(Spec(family="c", ring=self._group[0].ring, **self._plan.guest))

    def _turn(self, number: str) -> None:
        """A measurement is about to begin, so those of this guest before it are over."""
        self._rounds.complete([entry for entry in self._entries.values() if entry.number < int(number)])
        self._rounds.turns.wait(int(number))

    def _line(self, step: str, text: str) -> None:
        verb, _, rest = text.partition(" ")
        entry = self._entries.get(step)
        if entry and verb == "sample":
            try:
                self._rounds.sample(entry, json.loads(rest))
            except ValueError:
                self._rounds.failed(entry, f"not JSON: {rest[:80]}")
        elif entry and verb == "skip":
            self._rounds.skip(entry.task, rest)

    def _sort(self, outcome, entries: list) -> list:
        """Notes the measurements that failed; returns those that were not come to."""
        ended = {step.name: step for step in outcome.steps if step.status is not None}
        ready = ended.get("prepare")
        if ready and ready.status:
            outcome.error = outcome.error or f"could not be prepared: {_last(ready)}"
            return entries
        for name, step in ended.items():
            if step.status and name in self._entries:
                self._rounds.failed(self._entries[name], f"{_last(step)}; {_logs(outcome)}")
        left = [entry for entry in entries if entry.step not in ended]
        self._rounds.complete([entry for entry in entries if entry.step in ended])
        return left


def _last(step) -> str:
    """Returns the last line a step printed."""
    lines = [line for line in step.lines if line.strip()]
    return lines[-1] if lines else f"status {step.status}, without a word"


def _logs(outcome) -> str:
    return f"logs: {outcome.rundir}"
