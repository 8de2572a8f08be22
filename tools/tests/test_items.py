# SPDX-License-Identifier: GPL-2.0
"""Tests of the guest selftests as items of pytest, with guests that are made up."""

import threading
from pathlib import Path
from unittest import mock
from xml.etree import ElementTree

import pytest

from harness.report.results import Results
from harness.report.tap import Test
from harness.say import Failure
from harness.suites import items, legs, runner, selftest
from harness.suites.selftest import Choice

ALL = "blk/serial,net/filter,net/offload"


class Guests:
    """Stands for the guests: what ran in them, and what it had for a result."""

    def __init__(self, tmp_path: Path):
        self.out, self.ran, self.fail, self.lost, self.error = tmp_path, [], set(), set(), {}
        self.why_not, self.lock = {}, threading.Lock()
        self.builds, self.broken = [], None

    def our_modules(self, _kdir, _guest, family):
        self.builds.append(family)
        if self.broken == family:
            raise Failure("no compiler")
        return []

    def run_guest(self, results, wanted, names, kdir, ours, title):
        with self.lock:
            self.ran.append((names, wanted.ring, title))
        if names[0] in self.error:
            raise self.error[names[0]]
        wrong = {(name, "b") for name in self.fail}
        results.add([Test(name + title, one, "fail" if (name, one) in wrong else "pass",
                          "why" if (name, one) in wrong else "", 0.5)
                     for name in names if name not in self.lost for one in "ab"])

    def run(self, choices: list, *options: str) -> Results:
        results = Results("selftest")
        with mock.patch.object(selftest, "run_guest", self.run_guest), mock.patch.object(runner, "OUT", self.out), \
                mock.patch.object(items.kernel, "directory", return_value=Path("kdir")), \
                mock.patch.object(items.kernel, "check_guest"), \
                mock.patch.object(items.modtree, "settle", side_effect=lambda guest, kdir: guest), \
                mock.patch.object(selftest, "our_modules", self.our_modules), \
                mock.patch.object(items.fits, "why_not", lambda *wanted: self.why_not.get(wanted[1].ring, "")):
            selftest.run(results, choices, ["-p", "no:cacheprovider", *options])
        return results

    def junit(self) -> dict:
        """Returns name -> what pytest wrote of it: "" for a pass."""
        cases = ElementTree.parse(self.out / "selftest.xml").iter("testcase")
        return {case.get("name"): "".join(part.tag for part in case) for case in cases}


@pytest.fixture
def guests(tmp_path):
    return Guests(tmp_path)


def test_scripts_with_equal_guests_share_one(guests):
    results = guests.run([Choice(pattern=ALL)])
    assert sorted(names for names, _, _ in guests.ran) == [["blk/serial"], ["net/filter", "net/offload"]]
    assert guests.junit() == {"blk/serial": "", "net/filter": "", "net/offload": ""}
    assert [test.full_name() for test in results.tests][:3] == ["blk/serial:a", "blk/serial:b", "net/filter:a"]


def test_legs_have_guests_and_names_of_their_own(guests):
    guests.run([Choice(pattern=ALL), Choice(ring="c", pattern="blk/serial", name="C ring")])
    assert (["blk/serial"], "c", " (C ring)") in guests.ran
    assert set(guests.junit()) == {"net/filter", "blk/serial", "net/offload", "blk/serial (C ring)"}


def test_a_script_fails_by_one_of_its_tests(guests):
    guests.fail.add("blk/serial")
    results = guests.run([Choice(pattern=ALL)])
    assert guests.junit() == {"net/filter": "", "blk/serial": "failure", "net/offload": ""}
    assert [(test.full_name(), test.reason) for test in results.tests if test.result == "fail"] == [
        ("blk/serial:b", "why")]


def test_no_guest_begins_after_the_first_failure_that_is_asked_for(guests):
    guests.fail.add("blk/serial")
    with mock.patch.object(items, "_ROOM", 0):
        guests.run([Choice(pattern=ALL)], "-x")
    assert len(guests.ran) == 1


def test_a_script_without_a_result_fails(guests):
    guests.lost.add("blk/serial")
    results = guests.run([Choice(pattern=ALL)])
    assert guests.junit() == {"net/filter": "", "blk/serial": "failure", "net/offload": ""}
    assert [test.full_name() for test in results.tests if test.result == "fail"] == ["blk/serial:all"]


def test_a_script_that_cannot_be_read_fails(guests):
    collect = items._File.collect

    def wrong(file):
        if file.path.stem == "serial":
            raise OSError("unreadable")
        return collect(file)

    with mock.patch.object(items._File, "collect", wrong):
        results = guests.run([Choice(pattern=ALL)])
    assert [test.suite for test in results.tests if test.result == "fail"] == ["selftests/guest/blk/serial.sh"]
    assert [names for names, _, _ in guests.ran] == [["net/filter", "net/offload"]]


def test_a_failure_of_pytest_that_no_test_has_counts():
    told = mock.Mock(results=Results("x"))
    with mock.patch.object(runner.setup, "bring"), \
            mock.patch("pytest.main", return_value=pytest.ExitCode.TESTS_FAILED), \
            pytest.raises(Failure, match="no test did"):
        runner.run([], "x", [], lambda: told)


def test_no_script_at_all_is_an_error(guests):
    with pytest.raises(Failure, match="no test"):
        guests.run([Choice(pattern=ALL)], "-k", "nothing_of_the_kind")


def test_options_of_pytest_choose(guests):
    guests.run([Choice(pattern=ALL)], "-k", "offload")
    assert [names for names, _, _ in guests.ran] == [["net/offload"]]


def test_scripts_that_the_kernel_cannot_run_are_skipped(guests):
    guests.why_not["c"] = "so"
    results = guests.run([Choice(ring="c", pattern=ALL, name="x")])
    assert {(test.full_name(), test.result, test.reason) for test in results.tests} == {
        (f"{name} (x):all", "skip", "so") for name in ALL.split(",")}
    assert not guests.ran and set(guests.junit().values()) == {"skipped"}


def test_an_error_of_the_harness_fails_the_scripts_of_one_guest(guests):
    guests.error = {"blk/serial": KeyError("return")}
    results = guests.run([Choice(pattern=ALL)])
    failed = [test for test in results.tests if test.result == "fail"]
    assert [test.full_name() for test in failed] == ["blk/serial:all"]
    assert failed[0].reason.startswith("KeyError: 'return'\nTraceback")
    assert guests.junit() == {"blk/serial": "failure", "net/filter": "", "net/offload": ""}


def test_a_leg_that_cannot_be_built_is_one_failed_result_and_the_others_run(guests):
    guests.broken = "c"
    results = guests.run([Choice(family="c", pattern=ALL, name=name) for name in ("one", "two")]
                         + [Choice(pattern="blk/serial")])
    assert [(test.full_name(), test.result, test.reason) for test in results.tests] == [
        ("selftest (one):kernel and modules", "fail", "no compiler"),
        ("selftest (two):kernel and modules", "fail", "no compiler"), ("blk/serial:a", "pass", ""),
        ("blk/serial:b", "pass", "")]
    assert guests.builds == ["c", ""]
    assert guests.junit() == {"blk/serial": "", **{f"{name} ({leg})": "failure" for leg in ("one", "two")
                                                   for name in ALL.split(",")}}


def test_suites_whose_modules_cannot_be_built_are_one_failed_result_and_the_others_run(monkeypatch):
    def run(results, _variant, ring, title):
        if ring == "c":
            raise Failure("no compiler")
        results.add([Test("suite", "case", "pass")])

    results = Results("kunit")
    monkeypatch.setattr(legs.kunit, "run", run)
    monkeypatch.delenv("RING", raising=False)
    legs.run_kunit(results)
    assert [(test.full_name(), test.result, test.reason) for test in results.tests] == [
        ("suite:case", "pass", ""), ("kunit (C ring):kernel and modules", "fail", "no compiler")]


def test_scripts_are_listed_where_that_is_asked_for_and_not_by_the_environment(guests, monkeypatch):
    assert guests.run([Choice(pattern=ALL)], "--co").tests == guests.ran == []
    monkeypatch.setenv("PYTEST_ADDOPTS", "--co")
    with pytest.raises(Failure, match="ran no test.*--co"):
        guests.run([Choice(pattern=ALL)])
