# SPDX-License-Identifier: GPL-2.0
"""When set-up from nothing is tried again, and what long tests are run."""

import json
import re
import unittest
from pathlib import Path
from unittest import mock

from harness.fresh import bad as fresh_bad
from harness.fresh import fresh, stamp
from harness.paths import REPO
from harness.report import parts
from harness.report.results import Results
from harness.report.tap import Test
from harness.say import Failure
from harness.suites import selftest, testlong


class Stamp(unittest.TestCase):

    def setUp(self):
        self.enter(mock.patch.object(stamp, "cache", return_value=self.top))

    def test_the_code_is_that_of_set_up_with_all_that_it_uses(self):
        names = {str(path.relative_to(REPO)) for path in stamp.code()}
        assert {"Makefile", "tools/harness.py", "tools/host/python.sh"} <= names
        assert {"setup", "needs", "toolchain", "debian", "proc", "variables", "image", "bad"} <= {
            Path(name).stem for name in names if name.startswith("tools/harness/")}
        assert "tools/harness/suites/selftest.py" not in names

    def test_a_leg_has_passed_with_the_same_key_only(self):
        assert stamp.passed("bookworm:root", "1") == ""
        stamp.note("bookworm:root", "1")
        stamp.note("trixie:root", "2")
        self.assertRegex(stamp.passed("bookworm:root", "1"), r"^\d{4}-\d\d-\d\d$")
        assert stamp.passed("bookworm:root", "2") == ""
        assert stamp.passed("bookworm:user", "1") == ""

    def test_a_file_that_was_cut_off_is_as_none(self):
        stamp._file().write_text("{")
        assert stamp.passed("bookworm:root", "1") == ""


class Legs(unittest.TestCase):

    def _ran(self, asked: str, key=None, passed: str = "", always: bool = False) -> tuple:
        results, ran = Results("fresh"), []

        def machine(suite, user, _log):
            ran.append(f"{suite}:{user}")
            raise Failure("no machine in this test")

        def bad(_results, suite, _title, _log):
            ran.append(f"{suite}:bad")

        with mock.patch.object(fresh, "log_dir", return_value=self.top), \
                mock.patch.object(fresh, "check_release"), \
                mock.patch.object(fresh, "why_not", return_value=""), \
                mock.patch.object(fresh, "say"), mock.patch("builtins.print"), \
                mock.patch.object(fresh, "Machine", machine), \
                mock.patch.object(fresh_bad, "run", bad), \
                mock.patch.object(stamp, "key", key or (lambda suite: "k")), \
                mock.patch.object(stamp, "note"), \
                mock.patch.object(stamp, "passed", return_value=passed):
            fresh.run(results, asked, always)
        # Releases are tried at the same time.
        return sorted(ran, key=lambda name: name.split(":")[0]), results.tests

    def test_all_are_run(self):
        every = [f"{suite}:{leg}" for suite in ("bookworm", "trixie") for leg in ("root", "user", "bad")]
        assert self._ran("")[0] == every

    def test_some_are_chosen(self):
        assert self._ran("trixie")[0] == ["trixie:root", "trixie:user", "trixie:bad"]
        assert self._ran("user")[0] == ["bookworm:user", "trixie:user"]
        assert self._ran("bookworm root")[0] == ["bookworm:root"]
        assert self._ran("bookworm trixie root")[0] == ["bookworm:root", "trixie:root"]
        assert self._ran("bookworm:bad,trixie:root")[0] == ["bookworm:bad", "trixie:root"]

    def test_what_has_passed_is_skipped_with_the_day(self):
        ran, tests = self._ran("", passed="2026-01-02")
        assert ran == []
        assert {test.result for test in tests} == {"skip"}
        assert all("passed on 2026-01-02" in test.reason for test in tests)
        assert "fresh/bookworm:root: set-up" in [test.full_name() for test in tests]

    def test_what_has_passed_is_run_if_asked_for(self):
        assert self._ran("bookworm:root", passed="2026-01-02", always=True)[0] == ["bookworm:root"]

    def test_a_word_that_chooses_nothing_is_an_error(self):
        for word in ("trixy", "cost", "bookworm:boot"):
            with self.subTest(word), self.assertRaisesRegex(Failure, f"there is no {word}; there are: "):
                fresh.chosen(word)

    def test_no_network_is_no_failure_where_the_code_has_passed(self):
        def key(_suite):
            raise Failure("no network")

        with mock.patch.object(stamp, "same_code", return_value=True):
            ran, tests = self._ran("", key=key)
        assert (ran, {test.result for test in tests}) == ([], {"skip"})

    def test_a_machine_that_cannot_be_made_is_a_failure(self):
        tests = self._ran("bookworm:root")[1]
        assert [(test.result, test.reason) for test in tests] == [("fail", "no machine in this test")]

    def test_packages_that_cannot_be_looked_up_are_a_failure(self):
        def key(_suite):
            raise Failure("no network")

        with mock.patch.object(stamp, "same_code", return_value=False):
            ran, tests = self._ran("", key=key)
        assert (ran, {test.result for test in tests}) == ([], {"fail"})

    def test_what_comes_after_a_failure_is_skipped(self):
        machine = mock.Mock(suite="bookworm", user="root")
        machine.run.side_effect = Failure("set-up failed")
        results = Results("fresh")
        with mock.patch("builtins.print"):
            fresh._steps(results, machine)
        assert [test.name for test in results.tests] == [f"root: {name}" for name in fresh.STEPS]
        assert [test.result for test in results.tests] == ["fail"] + ["skip"] * 4


class Bad(unittest.TestCase):

    def test_errors_are_told_from_other_ends(self):
        import subprocess
        for command, good in (("sh -c 'echo error: no network here; exit 1'", True),
                              ("sh -c 'echo error: no network here'", False),
                              ("sh -c 'echo error: no disk; exit 1'", False),
                              ("sh -c 'echo Traceback; echo error: no network; exit 1'", False)):
            with self.subTest(command=command):
                text = fresh_bad._fails(command, "no network|no root")
                done = subprocess.run(["sh", "-c", text], check=False, capture_output=True)
                assert (done.returncode == 0) == good, done.stdout


class Long(unittest.TestCase):

    def test_parts_are_chosen_in_their_order(self):
        assert testlong.chosen("") == list(testlong.PARTS)
        assert testlong.chosen("fuzz, kunit-debug") == ["kunit-debug", "fuzz"]

    def test_parts_that_are_not_there_are_said(self):
        with self.assertRaisesRegex(Failure, "no part nothing; there are: demo-bookworm "):
            testlong.chosen("nothing fuzz")

    def test_selftests_run_on_the_kernels_of_debian(self):
        ran = {}
        with mock.patch.object(testlong, "run", lambda argv, log, what, env: ran.update({log: (argv[2:], env)})):
            for name in testlong.PARTS:
                if name.startswith("selftest-debian"):
                    testlong.PARTS[name][0](name)
        assert {name: set(env) for name, (_, env) in ran.items()} == {"selftest-debian": {"KERNEL"},
            "selftest-debian-cloud": {"KERNEL", "T"}, "selftest-debian-rt": {"KERNEL", "T"}}
        for name, (argv, env) in ran.items():
            assert (argv, f"selftest-{env['KERNEL']}") == (["selftest"], name)
            for part in filter(None, env.get("T", "").split(",")):
                assert len(selftest.scripts(part)) == 1, part

    def test_a_part_that_passed_is_not_run_again_on_the_same_tree(self):
        ran = []

        def one(name):
            ran.append(name)
            return Test("long", name, "fail" if name == "fuzz" else "pass", "", 1.0)

        with mock.patch.object(testlong, "_DONE", self.top / "done"), \
                mock.patch("harness.report.results.OUT", self.top), \
                mock.patch.object(testlong, "_one", one), mock.patch("builtins.print"), \
                mock.patch.object(testlong, "_tree", return_value="1") as tree:
            for now in ("1", "1", "2"):
                tree.return_value = now
                with mock.patch.dict("os.environ", {"LEGS": "kunit-uml fuzz"}):
                    assert testlong.main(None) == 1
        assert ran == ["kunit-uml", "fuzz", "fuzz", "kunit-uml", "fuzz"]


class Time(unittest.TestCase):

    def test_the_table_has_all_parts_and_is_in_the_results(self):
        with mock.patch("builtins.print") as shown, mock.patch.object(parts, "_made", {}):
            path = self.top / "r.json"
            path.write_text('{"tests": []}')
            times = parts.Parts()
            with times.part("one"):
                with parts.made("kernel"):
                    pass
            times.seconds["two"] = 61.24
            times.finish(path)
            found = json.loads(path.read_text())
        assert found["parts"]["two"] == 61.2
        assert list(found["made"]) == ["kernel"]
        text = "\n".join(str(call.args[0]) for call in shown.call_args_list)
        assert re.search(r"one +0 s\n +two +61 s\n +all +61 s\n +of it: kernel +0 s", text), text
