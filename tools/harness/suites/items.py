# SPDX-License-Identifier: GPL-2.0
"""The guest selftests as items of pytest: a script, over one transport or as one case, on one leg.

Guests are shared and run side by side by threads, which tell pytest of each item when its guest has ended.
pytest-xdist has a number of workers, and not of processors; what guests print goes to the terminal as it comes.
"""

import functools
import os
import threading

import pytest

from ..build import kernel, modtree, stock
from ..report.results import Results
from ..report.tap import Test, why
from ..say import Failure, say
from . import fits, selftest, side_by_side

#: Processors that the guests which run at the same time have together, for each of the machine's: room for a guest
#: with four beside one with two, on a machine that has two.
_ROOM = 3

_OUTCOMES = {"pass": "passed", "fail": "failed", "skip": "skipped"}


class _Item(pytest.Item):
    """A script on one leg. Its guest is not for one item alone, so an item does nothing by itself."""

    def __init__(self, *, script: str, choice: selftest.Choice, **rest):
        super().__init__(name=script + choice.title(), **rest)
        self.script, self.choice = script, choice

    def runtest(self):
        raise NotImplementedError

    def reportinfo(self):
        return self.path, None, self.name


class _File(pytest.File):
    """A script, with the plugin that knows how it is to be run."""

    def __init__(self, *, plugin: "Plugin", **rest):
        super().__init__(**rest)
        self.plugin = plugin

    def collect(self):
        return [_Item.from_parent(self, script=name, choice=choice) for choice in self.plugin.legs
                for name in self.plugin.legs[choice] if selftest.script(name) == self.path]


class Plugin:
    """What pytest asks when it runs the selftests of some legs, `choice -> names`."""

    def __init__(self, results: Results, legs: dict):
        self.results, self.legs = results, legs
        #: What the run ended with instead of results.
        self.error = None
        self._built = {}
        self._telling = threading.Lock()

    def pytest_collect_file(self, file_path, parent):
        return _File.from_parent(parent, path=file_path, plugin=self)

    def pytest_collectreport(self, report):
        if report.failed:
            self.results.add([Test(report.nodeid, "all", "fail", report.longreprtext)])

    def pytest_report_teststatus(self, report):
        # The tests of a script were printed when they came.
        return report.outcome, "", ""

    def pytest_runtestloop(self, session):
        if session.config.option.collectonly:
            return None
        runs, weights = [], []
        try:
            for choice in self.legs:
                self._leg(choice, [item for item in session.items if item.choice is choice], runs, weights)
            # Guests wait much of their time, and each starts on one processor. Those with most processors come
            # first, so that smaller ones fill the room that is left.
            order = sorted(range(len(runs)), key=lambda index: -weights[index])
            side_by_side.run(self.results, [runs[index] for index in order], [weights[index] for index in order],
                             _ROOM * (os.cpu_count() or 1))
        except Exception as error:  # pylint: disable=broad-except
            # For who called pytest, which would print it as a fault of its own.
            self.error = error
        if session.shouldfail:
            raise session.Failed(session.shouldfail)
        return True

    def _leg(self, choice: selftest.Choice, items: list, runs: list, weights: list) -> None:
        """Adds the guests of a leg to those that are to be run. Has a result for scripts that its kernel cannot run,
        and one for all those whose kernel or modules cannot be built."""
        groups, not_built = {}, {}
        for item in sorted(items, key=lambda item: item.script):
            guest = selftest.wanted_guest(item.script, choice)
            groups.setdefault(guest.key(), (guest, []))[1].append(item)
        say(f"Selftests{choice.title()}: {len(items)} scripts in {len(groups)} guests")
        for guest, items in groups.values():
            why = fits.why_no_kernel(guest, choice.kernel or stock.asked())
            if not why:
                try:
                    kdir, ours = self._kernel(guest, choice)
                except Failure as failure:
                    if guest.kernel not in stock.KERNELS or not isinstance(failure, stock.Unavailable):
                        not_built.setdefault(failure, []).extend(items)
                        continue
                    why = str(failure).splitlines()[0]
            if not why:
                guest = modtree.settle(guest, kdir) if not guest.ring else guest
            left = []
            for item in items:
                reason = why or fits.why_not(kdir, guest, ours, item.path.read_text())
                if reason:
                    self.results.add([Test(item.name, "all", "skip", reason)])
                    self._tell(item, self.results.tests[-1:])
                else:
                    left.append(item)
            if left:
                runs.append(functools.partial(self._run, items=left, wanted=guest, kdir=kdir, ours=ours))
                weights.append(guest.vcpus)
        for failure, items in not_built.items():
            tests = [Test(f"selftest{choice.title()}", "kernel and modules", "fail", str(failure))]
            self.results.add(tests)
            for item in items:
                self._tell(item, tests)

    def _kernel(self, guest, choice: selftest.Choice) -> tuple:
        """Returns the kernel of a guest, and our modules for it. Raises `Failure` if they cannot be built: the same one
        each time, without another build."""
        key = (choice.kernel, choice.family, guest.kernel)
        if key not in self._built:
            try:
                named = guest.kernel if guest.kernel in stock.KERNELS else choice.kernel
                kdir = stock.directory(named) if named else kernel.directory(guest.kernel)
                kernel.check_guest(kdir)
                self._built[key] = (kdir, selftest.our_modules(kdir, guest, choice.family))
            except Failure as failure:
                self._built[key] = failure
        if isinstance(self._built[key], Failure):
            raise self._built[key]
        return self._built[key]

    def _run(self, results: Results, items: list, **guest) -> None:
        """Runs the scripts of a guest, and tells pytest how they went."""
        if items[0].session.shouldfail:
            return
        reason = "no result came of it"
        try:
            selftest.run_guest(results, names=[item.script for item in items], title=items[0].choice.title(), **guest)
        except Exception as error:  # pylint: disable=broad-except
            # The scripts of other guests have results all the same.
            reason = why(error)
        for item in items:
            tests = [test for test in results.tests if test.suite == item.name]
            if not tests:
                tests = [Test(item.name, "all", "fail", reason)]
                results.add(tests)
            self._tell(item, tests)

    def _tell(self, item: _Item, tests: list) -> None:
        found = {test.result for test in tests}
        result = next(one for one in ("fail", "pass", "skip") if one in found)
        reason = "\n".join(f"{test.name}: {test.reason}" for test in tests if test.result == result != "pass")
        report = pytest.TestReport(
            item.nodeid, item.location, dict.fromkeys(item.keywords, 1), _OUTCOMES[result],
            (str(item.path), 0, reason) if result == "skip" else reason or None, "call",
            duration=sum(test.seconds for test in tests))
        with self._telling:
            item.ihook.pytest_runtest_logreport(report=report)
