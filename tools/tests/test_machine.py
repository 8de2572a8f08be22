# SPDX-License-Identifier: GPL-2.0
"""Tests of following a guest (harness/guest/machine.py)."""

import types
from pathlib import Path

import pytest

from harness.guest import migration
from harness.guest.machine import Machine, Outcome


class Ending:
    """QEMU and its channel: it writes its last lines and ends right after the channel was found empty."""

    def __init__(self):
        self.returncode = None
        self._left = [[], ["begin last", "end last 0", "done"], []]

    def poll(self):
        """Returns the status of QEMU, None while it runs."""
        return self.returncode

    def lines(self, _wait: float) -> list:
        """Returns what has come."""
        self.returncode = 0
        return self._left.pop(0)


def test_last_lines_of_a_guest_that_ends_at_once_are_read():
    qemu = Ending()
    machine = object.__new__(Machine)
    machine.spec = types.SimpleNamespace(allow=[])
    machine.rundir = machine.namespace = machine._qmp = None
    machine.actions = {}
    machine._child = machine._channel = qemu
    machine.console = types.SimpleNamespace(poll=lambda: False, stuck=lambda: "", panicked=lambda: False)
    outcome = Outcome(None)
    machine._follow(outcome, lambda step, text: None, 60)
    assert not outcome.error
    assert [(step.name, step.status) for step in outcome.steps] == [("last", 0)]


class Moving(Machine):
    """A guest in the QEMU "old", that is to move to the QEMU "new"."""

    def __init__(self):  # pylint: disable=super-init-not-called
        self.sockets, self._argv, self._moves, self._left = Path("sockets"), [], 0, (None, None)
        self._child, self._qmp = "old", "old monitor"
        self._channel = types.SimpleNamespace(move=lambda path: None)

    def _start_qemu(self, argv, name):
        return "new", "new monitor"


@pytest.mark.parametrize("error, cancel, where", [
    (None, False, "new"), (None, True, "old"), (KeyError("status"), False, "old"), (OSError("closed"), False, "old")])
def test_a_guest_is_where_its_move_has_ended(monkeypatch, error, cancel, where):
    def move(*_arguments):
        if error:
            raise error
    monkeypatch.setattr(migration, "move", move)
    guest = Moving()
    if error:
        with pytest.raises(type(error)):
            guest.migrate({}, cancel)
    else:
        guest.migrate({}, cancel)
    assert (guest._child, guest.monitor()) == (where, f"{where} monitor")
    assert guest._left[0] == {"new": "old", "old": "new"}[where]
