# SPDX-License-Identifier: GPL-2.0
"""Tests harness/uml/steps.py: the run of a job in User-mode Linux."""

from pathlib import Path
from unittest import mock

from harness.guest.console import Console
from harness.uml import steps


class _Guest:
    """Stands in for User-mode Linux: it appends to its log, as the program does."""

    def __init__(self, _kdir, rundir: Path):
        self.console = Console(rundir / "console.log")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def start(self) -> None:
        with open(self.console.path, "a", encoding="utf-8") as log:
            log.write("[    0.1] Linux version 7.3.4\n")

    @staticmethod
    def do(_command, _limit=0) -> tuple:
        return 0, ""


def test_a_run_reads_nothing_of_a_run_at_the_same_time_of_another_day(tmp_path, write, monkeypatch):
    monkeypatch.setattr(steps, "OUT", tmp_path)
    monkeypatch.setattr(steps, "Uml", _Guest)
    monkeypatch.setattr(steps, "say", mock.Mock())
    monkeypatch.setattr(steps.modtree, "build", mock.Mock())
    monkeypatch.setattr(steps.time, "strftime", lambda _: "120000")
    write("run/120000-kunit/console.log", "[    9.0] BUG: of yesterday\n")
    outcome, messages = steps.run(tmp_path, [], [("load", "true")], "kunit")
    assert outcome.ok() and not any("yesterday" in line for line in messages)
