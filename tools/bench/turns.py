# SPDX-License-Identifier: GPL-2.0
"""The schedule: one list of measurements over several guests, one at a time.

Stacks on different ring providers cannot share a guest, but a measurement of one should stand right
beside that of the other. So their guests run at the same time, and each waits, idle, for its turn.
"""

import dataclasses
import threading

from harness.say import Failure


@dataclasses.dataclass(frozen=True)
class Entry:
    """One measurement."""

    number: int
    round: int
    task: str
    #: The stack's name.
    stack: str

    @property
    def step(self) -> str:
        """The name of the step in the guest's log."""
        return f"{self.task}:{self.round}:{self.stack}"


def order(tasks: list, stacks: list, rounds: int) -> list:
    """Returns the measurements of all rounds, task by task.

    The order of the stacks is turned round from round to round (AB BA AB...), so that what
    comes of being first, or of a machine that gets slower, favours nobody.
    """
    entries = []
    for task in tasks:
        for number in range(rounds):
            turn = stacks if number % 2 == 0 else stacks[::-1]
            entries += [Entry(len(entries) + place, number, task, stack)
                        for place, stack in enumerate(turn)]
    return entries


class Turns:
    """Hands the turn from guest to guest."""

    def __init__(self, entries: list):
        self._open = set(entries)
        self._changed = threading.Condition()
        self._ended = False

    def wait(self, number: int) -> None:
        """Returns when everything before `number` is done. Raises `Failure` if the run is being ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or all(entry.number >= number for entry in self._open))
            if self._ended:
                raise Failure("the benchmark is being ended")

    def done(self, entries) -> set:
        """Takes measurements off the list, whether they were made or not. Returns the tasks that end with them."""
        with self._changed:
            before = {entry.task for entry in self._open}
            self._open.difference_update(entries)
            self._changed.notify_all()
            return before - {entry.task for entry in self._open}

    def end(self) -> None:
        """Sends everybody home."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
