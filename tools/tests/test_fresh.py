# SPDX-License-Identifier: GPL-2.0
"""When set-up from nothing is tried again, and what long tests are run."""

import json
import re
import subprocess
from pathlib import Path
from unittest import mock

import pytest

from harness.fresh import bad, fresh, stamp
from harness.paths import REPO
from harness.report import parts, results
from harness.report.results import Results
from harness.report.tap import Test
from harness.say import Failure
from harness.suites import selftest, testlong


@pytest.fixture
def stamps(tmp_path, monkeypatch):
    monkeypatch.setattr(stamp, "cache", lambda: tmp_path)


def test_the_code_is_that_of_set_up_with_all_that_it_uses():
    names = {str(path.relative_to(REPO)) for path in stamp.code()}
    assert {"Makefile", "tools/harness.py", "tools/host/python.sh"} <= names
    assert {"setup", "needs", "toolchain", "debian", "proc", "variables", "image", "bad"} <= {
        Path(name).stem for name in names if name.startswith("tools/harness/")}
    assert "tools/harness/suites/selftest.py" not in names


def test_a_leg_has_passed_with_the_same_key_only(stamps):
    assert stamp.passed("bookworm:root", "1") == ""
    stamp.note("bookworm:root", "1")
    stamp.note("trixie:root", "2")
    assert re.search(r"^\d{4}-\d\d-\d\d$", stamp.passed("bookworm:root", "1"))
    assert stamp.passed("bookworm:root", "2") == stamp.passed("bookworm:user", "1") == ""
    # A file that was cut off is as none.
    stamp._file().write_text("{")
    assert stamp.passed("bookworm:root", "1") == ""


_NO_MACHINE = Failure("no machine in this test")


@pytest.fixture
def run_legs(tmp_path, monkeypatch):
    """Returns a function that runs legs, without a machine; it returns the legs that ran, and their results."""
    def run(asked: str, passed: str = "", always: bool = False, error=_NO_MACHINE, key=lambda _suite: "k") -> tuple:
        made, ran = Results("fresh"), []

        def machine(suite, user, _log):
            ran.append(f"{suite}:{user}")
            raise error

        def bad_machine(_results, suite, *_):
            ran.append(f"{suite}:bad")
            if error is not _NO_MACHINE:
                raise error

        for module, name, stand_in in (
                (fresh, "new_log", lambda name: tmp_path / name), (fresh, "check_release", mock.Mock()),
                (fresh, "why_not", lambda *_: ""), (fresh, "say", mock.Mock()), (fresh, "Machine", machine),
                (bad, "run", bad_machine),
                (stamp, "key", key), (stamp, "note", mock.Mock()),
                (stamp, "passed", lambda *_: passed)):
            monkeypatch.setattr(module, name, stand_in)
        fresh.run(made, asked, always)
        # Releases are tried at the same time.
        return sorted(ran, key=lambda name: name.split(":")[0]), made.tests

    return run


@pytest.mark.parametrize("asked, legs", [
    ("", "bookworm:root bookworm:user bookworm:bad trixie:root trixie:user trixie:bad"),
    ("trixie", "trixie:root trixie:user trixie:bad"), ("user", "bookworm:user trixie:user"),
    ("bookworm root", "bookworm:root"), ("bookworm trixie root", "bookworm:root trixie:root"),
    ("bookworm:bad,trixie:root", "bookworm:bad trixie:root")])
def test_all_legs_or_some_are_run(run_legs, asked, legs):
    assert run_legs(asked)[0] == legs.split()


@pytest.mark.parametrize("word", ["trixy", "cost", "bookworm:boot"])
def test_a_word_that_chooses_nothing_is_an_error(word):
    with pytest.raises(Failure, match=f"there is no {word}; there are: "):
        fresh.chosen(word)


def test_a_leg_that_has_passed_is_skipped_with_the_day_unless_asked_for(run_legs):
    ran, tests = run_legs("", passed="2026-01-02")
    assert ran == []
    assert {test.result for test in tests} == {"skip"}
    assert all("passed on 2026-01-02" in test.reason for test in tests)
    assert "fresh/bookworm:root: set-up" in [test.full_name() for test in tests]
    assert run_legs("bookworm:root", passed="2026-01-02", always=True)[0] == ["bookworm:root"]


@pytest.mark.parametrize("same_code, result", [(True, "skip"), (False, "fail")])
def test_no_network_is_no_failure_where_the_code_has_passed(run_legs, same_code, result, monkeypatch):
    monkeypatch.setattr(stamp, "same_code", lambda *_: same_code)
    ran, tests = run_legs("", key=mock.Mock(side_effect=Failure("no network")))
    assert (ran, {test.result for test in tests}) == ([], {result})


def test_a_machine_that_cannot_be_made_is_a_failure(run_legs):
    tests = run_legs("bookworm:root")[1]
    assert [(test.result, test.reason) for test in tests] == [("fail", "no machine in this test")]


def test_an_error_is_a_failure_of_its_leg_and_the_other_legs_run(run_legs):
    ran, tests = run_legs("trixie", error=OSError(16, "Device or resource busy", "/some/scratch"))
    assert ran == ["trixie:root", "trixie:user", "trixie:bad"]
    assert [test.name for test in tests] == [f"{leg}: the bare machine" for leg in ("root", "user", fresh._BAD)]
    for test in tests:
        assert test.reason.startswith("OSError: [Errno 16] Device or resource busy: '/some/scratch'\nTraceback ")


def test_an_error_before_the_legs_is_a_failure_of_its_release(run_legs):
    def key(suite):
        if suite == "bookworm":
            raise ValueError("odd list")
        return "k"

    ran, tests = run_legs("root", key=key)
    assert ran == ["trixie:root"]
    assert [(test.full_name(), test.reason.splitlines()[0]) for test in tests] == [
        ("fresh/bookworm:all", "ValueError: odd list"),
        ("fresh/trixie:root: the bare machine", "no machine in this test")]


def test_steps_after_a_failure_are_skipped():
    machine, made = mock.Mock(suite="bookworm", user="root"), Results("fresh")
    machine.run.side_effect = Failure("set-up failed")
    fresh._steps(made, machine)
    assert [test.name for test in made.tests] == [f"root: {name}" for name in fresh.STEPS]
    assert [test.result for test in made.tests] == ["fail"] + ["skip"] * 4


@pytest.mark.parametrize("reason, last", [("", "pass"), ("no kernel", "skip")])
def test_steps_without_a_kernel_are_skipped_with_the_reason(reason, last, monkeypatch):
    machine, made = mock.Mock(suite="bookworm", user="root"), Results("fresh")
    monkeypatch.setattr(fresh.kernel, "_found", lambda _: ([], {}, reason))
    fresh._steps(made, machine)
    assert [(test.result, test.reason) for test in made.tests] == [("pass", "")] * 3 + [(last, reason)] * 2


@pytest.mark.parametrize("script, good", [
    ("echo error: no network here; exit 1", True), ("echo error: no network here", False),
    ("echo error: no disk; exit 1", False), ("echo Traceback; echo error: no network; exit 1", False)])
def test_errors_are_told_from_other_ends(script, good):
    text = bad._fails(f"sh -c '{script}'", "no network|no root")
    done = subprocess.run(["sh", "-c", text], check=False, capture_output=True)
    assert (done.returncode == 0) == good, done.stdout


def test_parts_of_the_long_tests_are_chosen_in_their_order():
    assert testlong.chosen("") == list(testlong.PARTS)
    assert testlong.chosen("fuzz, kunit-debug") == ["kunit-debug", "fuzz"]
    with pytest.raises(Failure, match="no part nothing; there are: demo-bookworm "):
        testlong.chosen("nothing fuzz")


def test_selftests_run_on_the_kernels_of_debian(monkeypatch):
    ran = {}
    monkeypatch.setattr(testlong, "run", lambda argv, log, what, env: ran.update({log: (argv[2:], env)}))
    for name in testlong.PARTS:
        if name.startswith("selftest-debian"):
            testlong.PARTS[name][0](name)
    assert {name: set(env) for name, (_, env) in ran.items()} == {
        "selftest-debian": {"KERNEL"}, "selftest-debian-cloud": {"KERNEL", "T"}, "selftest-debian-rt": {"KERNEL", "T"}}
    for name, (argv, env) in ran.items():
        assert (argv, f"selftest-{env['KERNEL']}") == (["selftest"], name)
        for part in filter(None, env.get("T", "").split(",")):
            assert len(selftest.scripts(part)) == 1, part


def test_a_part_that_passed_is_not_run_again_on_the_same_tree(tmp_path, monkeypatch):
    ran = []

    def one(name):
        ran.append(name)
        return Test("long", name, "fail" if name == "fuzz" else "pass", "", 1.0)

    monkeypatch.setattr(testlong, "_DONE", tmp_path / "done")
    monkeypatch.setattr(results, "OUT", tmp_path)
    monkeypatch.setattr(testlong, "_one", one)
    for tree in ("1", "1", "2"):
        monkeypatch.setenv("LEGS", "kunit-uml fuzz")
        monkeypatch.setattr(testlong, "_tree", lambda tree=tree: tree)
        assert testlong.main(None) == 1
    assert ran == ["kunit-uml", "fuzz", "fuzz", "kunit-uml", "fuzz"]


def test_the_table_of_times_has_all_parts_and_is_in_the_results(write, monkeypatch, capsys):
    monkeypatch.setattr(parts, "_made", {})
    path = write("r.json", '{"tests": []}')
    times = parts.Parts()
    with times.part("one"), parts.made("kernel"):
        pass
    times.seconds["two"] = 61.24
    times.finish(path)
    found = json.loads(path.read_text())
    assert (found["parts"]["two"], list(found["made"])) == (61.2, ["kernel"])
    text = capsys.readouterr().out
    assert re.search(r"one +0 s\n +two +61 s\n +all +61 s\n +of it: kernel +0 s", text), text
