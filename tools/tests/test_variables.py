# SPDX-License-Identifier: GPL-2.0
"""Variables that a user may set: a child sees those with a value, and no others."""

import os
import subprocess
import sys
import unittest

from harness import variables
from harness.paths import REPO

_SHOW = "variables-show"


def _of_makefile() -> list:
    """Returns the names that the Makefile hands to harness.py."""
    text = (REPO / "Makefile").read_text().replace("\\\n", " ")
    line = next(line for line in text.splitlines() if line.startswith("VARIABLES :="))
    return line.partition(":=")[2].split()


def _children(set_by_environment: dict, set_by_make: list) -> dict:
    """Returns the environment of a command that make runs, and that of harness.py's children."""
    env = {name: value for name, value in os.environ.items() if name not in variables.NAMES}
    done = subprocess.run(
        ["make", "-s", "--no-print-directory", "-C", REPO, f"--eval={_SHOW}: ; @env -0",
         *set_by_make, _SHOW],
        env=env | set_by_environment, capture_output=True, text=True, check=True)
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if "=" in entry)


class Variables(unittest.TestCase):

    def test_the_makefile_and_the_harness_know_the_same(self):
        assert set(_of_makefile()) <= set(variables.NAMES)

    def test_unset_ones_reach_no_child(self):
        assert set(_children({}, [])) & set(_of_makefile()) == set()

    def test_empty_ones_reach_no_child(self):
        for name in _of_makefile():
            for env, make in (({name: ""}, []), ({name: "  "}, []), ({}, [f"{name}="])):
                with self.subTest(name=name, env=env, make=make):
                    assert name not in _children(env, make)

    def test_set_ones_reach_them_as_they_are(self):
        for name in _of_makefile():
            for env, make in (({name: "/a b"}, []), ({}, [f"{name}=/a b"])):
                with self.subTest(name=name, env=env, make=make):
                    assert _children(env, make).get(name) == "/a b"

    def test_python_without_a_value_is_the_one_of_the_system(self):
        for env, make in (({}, []), ({"PYTHON": ""}, []), ({"PYTHON": " "}, []), ({}, ["PYTHON="])):
            with self.subTest(env=env, make=make):
                done = subprocess.run(["make", "-s", "-C", REPO, *make, "python"], capture_output=True,
                                      env={**os.environ, **env}, text=True, check=False)
                assert done.returncode == 0, done.stderr
                self.assertRegex(self.dry_run("parity", *make, **env), r"^\S*python3 \S+/harness.py parity$")
        assert self.dry_run("parity", "PYTHON=/opt/py").startswith("/opt/py ")

    def test_options_of_a_command_are_for_variables_with_a_value(self):
        for target, name, option in (("shell", "CMD", "--run 'x y'"), ("shell", "FAMILY", "--family x y"),
                                     ("deb", "DEB_VERSION", "--version 'x y'")):
            with self.subTest(name):
                assert option in self.dry_run(target, f"{name}=x y")
                for value in ("", " "):
                    assert "--" not in self.dry_run(target, f"{name}={value}")
                    assert "--" not in self.dry_run(target, **{name: value})

    @staticmethod
    def dry_run(*argv: str, **env: str) -> str:
        """Returns the last command that make would run."""
        clean = {name: value for name, value in os.environ.items() if name not in variables.NAMES}
        done = subprocess.run(["make", "-n", "-s", "-C", REPO, *argv], env=clean | env,
                              capture_output=True, text=True, check=True)
        return done.stdout.splitlines()[-1]

    def test_the_harness_drops_empty_ones_and_what_make_left(self):
        for name in variables.NAMES:
            with self.subTest(name=name):
                code = ("import os, sys; sys.path.insert(0, sys.argv[1]); from harness import variables;"
                        "variables.tidy(); print(os.environ.get(sys.argv[2], 'none'),"
                        "os.environ.get('MAKEFLAGS', 'none'))")
                for value, want in (("", "none"), (" ", "none"), ("x", "x")):
                    done = subprocess.run(
                        [sys.executable, "-c", code, str(REPO / "tools"), name],
                        env={**os.environ, name: value, "MAKEFLAGS": "-j"},
                        capture_output=True, text=True, check=True)
                    assert done.stdout.split() == [want, "none"]
