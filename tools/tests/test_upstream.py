# SPDX-License-Identifier: GPL-2.0
"""Tests of how the results of the kernel's own tests are read, compared and written down."""

import json
import sys

import pytest

from harness.paths import SELFTESTS
from harness.suites import items, selftest
from harness.upstream import results

sys.path.insert(0, str(SELFTESTS / "lib"))

import upstream  # noqa: E402  pylint: disable=wrong-import-position

PRINTED = """TAP version 13
1..4
ok 1 ping.test_default_v4
# Check| At ping.py, line 3, in test:
# Check failed 1 != 2
# Exception|     raise NlError(message)
# Exception| net.lib.NlError: Invalid argument
not ok 2 ping.test_mb
ok 3 ping.test_offload # SKIP device does not support
ok 4 gro.tests.lrg # XFAIL no LRO
# Totals: pass:1 fail:1 xfail:1 xpass:0 skip:1 error:0
"""


def test_cases_of_a_program_in_python():
    found = upstream.cases_of(PRINTED.splitlines(), 1)
    assert {case: result for case, (result, _) in found.items()} == {
        "test_default_v4": "pass", "test_mb": "fail", "test_offload": "skip", "tests.lrg": "xfail"}
    assert found["test_mb"][1] == "Check failed 1 != 2; net.lib.NlError: Invalid argument"
    assert found["test_offload"][1] == "device does not support"


def test_cases_of_a_program_in_c():
    found = upstream.cases_of(["ok 1 PASS: DRV SEND", "not ok 2 FAIL: DRV POLL_RX", "ok 3 # SKIP SKIP: ZC X"], 1)
    assert {case: result for case, (result, _) in found.items()} == {
        "DRV SEND": "pass", "DRV POLL_RX": "fail", "ZC X": "skip"}


def test_cases_of_a_shell_script():
    found = upstream.cases_of(["TEST: mac feature filtered     [ OK ]", "\tspeed differs",
                               "TEST: force speed     [FAIL]"], 1)
    assert found == {"mac feature filtered": ("pass", ""), "force speed": ("fail", "speed differs")}


@pytest.mark.parametrize("status, result", [(0, "pass"), (4, "skip"), (1, "fail"), (124, "fail")])
def test_a_program_without_cases_is_one_case(status, result):
    assert upstream.cases_of(["SKIP: no debugfs"], status)["(whole)"][0] == result


def test_a_program_that_hangs_has_failed_with_all_its_passed_cases():
    assert upstream.cases_of(["ok 1 ping.a"], 124).keys() == {"a", "(whole)"}


@pytest.mark.parametrize("c, rust, worse", [
    ("pass", "pass", False), ("pass", "fail", True), ("pass", "skip", True), ("pass", "xfail", True),
    ("fail", "fail", False), ("skip", "fail", True), ("skip", "xfail", False), ("fail", "pass", False)])
def test_worse_than_c(c, rust, worse):
    assert upstream._is_worse(c, rust) == worse


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FILE", tmp_path / "upstream.json")
    return tmp_path / "upstream.json"


def case(test, name, c, rust, why=""):
    return json.dumps({"test": test, "case": name, "c": c, "rust": rust, "why_c": "", "why_rust": why, "unstable": ""})


def test_a_test_that_runs_again_takes_the_place_of_its_older_cases(file):
    first, second = results.Recorder("net"), results.Recorder("net")
    for recorder, name in ((first, "old"), (first, "older")):
        recorder.record(case("a.py", name, "pass", "pass"))
    first.record(case("b.py", "kept", "pass", "pass"))
    second.record(case("a.py", "new", "pass", "fail"))
    assert {test: [one["case"] for one in cases] for test, cases in results.load()["net"].items()} == {
        "a.py": ["new"], "b.py": ["kept"]}


def test_the_table_shows_what_differs(file):
    recorder = results.Recorder("net")
    recorder.record(case("a.py", "x", "pass", "fail", "1 | 2"))
    recorder.record(case("a.py", "y_z", "skip", "skip", "no *"))
    text = results.page(results.load())
    assert "| a.py | 1 pass, 1 skip | 1 FAIL, 1 skip | 1 |" in text
    assert "| a.py | x | pass | **FAIL** | 1 \\| 2 |" in text and "|  | y\\_z | skip | skip | no \\* |" in text


def test_the_table_keeps_a_test_that_did_not_run_again(file):
    recorder = results.Recorder("net")
    recorder.record(case("a.py", "x", "pass", "pass"))
    recorder.record(case("b.py", "y", "pass", "fail", "1 | 2"))
    recorder.record(case("b.py", "z", "xfail", "pass"))
    old = results.page(results.load())
    file.unlink()
    again = results.Recorder("net")
    again.record(case("a.py", "x", "pass", "skip"))
    text = results.page(results.load(), old)
    assert "| a.py | 1 pass | 1 skip | 1 |\n| b.py | 1 pass, 1 xfail | 1 pass, 1 FAIL | 2 |" in text
    assert "| all | 2 pass, 1 xfail | 1 pass, 1 FAIL, 1 skip | 3 |" in text
    assert "| a.py | x | pass | **skip** |  |\n| b.py | y | pass | **FAIL** | 1 \\| 2 |\n|  | z |" in text
    assert results.page({}, text) == text


def test_the_table_tells_many_cases_in_groups(file):
    recorder = results.Recorder("net")
    ends = {1: ("fail", "fail"), 2: ("fail", "pass")}
    for i in range(60):
        recorder.record(case("a.py", f"x{i}", *ends.get(i, ("pass", "pass"))))
    lines = results.page(results.load()).partition("case by case")[2].splitlines()[4:]
    assert [line.split(" | ")[1:4] for line in lines] == [
        ["58 cases", "pass", "pass"], ["x1", "FAIL", "FAIL"], ["x2", "FAIL", "**pass**"]]


def test_its_kernel_is_debians_whatever_the_others_run_on(monkeypatch):
    asked = []
    monkeypatch.setattr(items.stock, "directory", asked.append)
    monkeypatch.setattr(items.kernel, "check_guest", lambda kdir: None)
    monkeypatch.setattr(selftest, "our_modules", lambda *wanted: [])
    choice = selftest.Choice(kernel="debian-cloud", variant="debug")
    items.Plugin(None, {})._kernel(selftest.wanted_guest("upstream/net", choice), choice)
    assert asked == ["debian"]
