# SPDX-License-Identifier: GPL-2.0
"""Measures tasks on every stack in turn, in rounds, in guests that are otherwise the same.

All drivers are loaded in a guest whose root disk stays on the C driver; before each measurement
the device under test is given to the driver of the stack. A task is a command line in the guest
that prints lines:

	sample <JSON object>	what was measured
	skip <reason>		it cannot be measured here
"""

import dataclasses
import threading
from typing import Callable

from harness.build import kmods
from harness.guest import accel
from harness.say import Failure

from . import stacks as stack_file
from .lane import Lane
from .turns import Turns, order


@dataclasses.dataclass
class Plan:
    """The tasks to measure, and their guest."""

    #: The part, for logs and messages.
    part: str
    #: A name without spaces -> a function that returns the command line for a stack.
    tasks: dict
    rounds: int
    #: Fields of the guest's Spec.
    guest: dict
    #: Files of tools/bench/guest that the guest gets.
    scripts: list
    #: A command line that runs once before all tasks; it succeeds or nothing is measured.
    prepare: str = ""
    #: More files for the guest: name -> path.
    files: dict = dataclasses.field(default_factory=dict)
    #: Returns the guest's Spec with further changes.
    spec: Callable = lambda spec: spec
    #: Called with the guest before QEMU starts.
    host: Callable = lambda guest: None
    #: Called with the Rounds and the run directory when a guest has ended.
    ended: Callable = lambda rounds, rundir: None
    #: Called with the Rounds and a task's name when all rounds of the task are over.
    finished: Callable = lambda rounds, name: None


class Rounds:
    """Runs a plan and holds what was measured."""

    def __init__(self, bench, plan: Plan):
        self.bench = bench
        self.plan = plan
        self._entries = order(list(plan.tasks), [stack.name for stack in bench.stacks], plan.rounds)
        self.turns = Turns(self._entries)
        self._samples = {}
        self._skipped = set()
        self._failed = {}
        self._lock = threading.RLock()

    def samples(self, task: str, stack: str, field: str) -> list:
        """Returns a value of every round, None where a round gave none."""
        found = self._samples.get((task, stack), {})
        return [found.get(number, {}).get(field) for number in range(self.plan.rounds)]

    def by_stack(self, task: str, field: str) -> dict:
        """Returns the stack's name -> a value of every round."""
        return {stack.name: self.samples(task, stack.name, field) for stack in self.bench.stacks}

    def run(self) -> None:
        """Measures everything; reports what could not be measured as left out or as a problem."""
        if not self.plan.tasks:
            return
        accel.choose(kmods.image(self.bench.kdir))
        groups = list(stack_file.by_ring(self.bench.stacks).values())
        if len(groups) == 1:
            self._lane(groups[0])
        else:
            self._together(groups)
        for (task, stack), why in self._failed.items():
            self.bench.report.problem(
                f"{self.plan.part}: {task} on {stack}",
                f"{len(why)} of {self.plan.rounds} rounds failed, the last so: {why[-1]}")

    def _together(self, groups: list) -> None:
        """Runs a guest for each ring provider, all at once, each idle when it is not its turn."""
        threads = [threading.Thread(target=self._lane, args=(group,), daemon=True) for group in groups]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(1)
        except BaseException:
            # Refused their turns, the guests come to their end by themselves.
            self.turns.end()
            for thread in threads:
                thread.join(60)
            raise

    def _lane(self, group: list) -> None:
        names = {stack.name for stack in group}
        entries = [entry for entry in self._entries if entry.stack in names]
        try:
            Lane(self, group, entries).run()
        except Failure as failure:
            self.bench.report.problem(f"{self.plan.part}: {', '.join(stack.label for stack in group)}",
                                      str(failure))
        finally:
            self.complete(entries)

    def sample(self, entry, values: dict) -> None:
        """Takes what a measurement found, or more of it."""
        with self._lock:
            rounds = self._samples.setdefault((entry.task, entry.stack), {})
            rounds.setdefault(entry.round, {}).update(values)

    def entry(self, number: int):
        """Returns a measurement by its number, which scripts know as HARNESS_TURN."""
        return self._entries[number]

    def skip(self, task: str, why: str) -> None:
        """Notes, once, that a task cannot be measured here."""
        with self._lock:
            if task not in self._skipped:
                self._skipped.add(task)
                self.bench.report.skip(f"{self.plan.part}: {task}", why)

    def failed(self, entry, why: str) -> None:
        """Notes that a measurement failed."""
        with self._lock:
            self._failed.setdefault((entry.task, entry.stack), []).append(why)

    def complete(self, entries: list) -> None:
        """Takes measurements as over, and tells the part of tasks that are."""
        over = self.turns.done(entries)
        with self._lock:
            for task in self.plan.tasks:
                if task in over - self._skipped:
                    self.plan.finished(self, task)
