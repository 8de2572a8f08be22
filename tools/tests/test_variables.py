# SPDX-License-Identifier: GPL-2.0
"""Variables that a user may set: a child sees those with a value, and no others."""

import os
import re
import subprocess
import sys

import pytest

from harness import variables
from harness.paths import REPO

#: The names that the Makefile hands to harness.py.
NAMES = re.search(r"^VARIABLES :=(.*)$", (REPO / "Makefile").read_text().replace("\\\n", " "), re.M)[1].split()


def make(*argv: str, **env: str) -> str:
    """Returns what make prints, in an environment that has of our variables only those given."""
    clean = {name: value for name, value in os.environ.items() if name not in variables.NAMES}
    return subprocess.run(["make", "-s", "--no-print-directory", "-C", REPO, *argv], env=clean | env,
                          capture_output=True, text=True, check=True).stdout


def children(*argv: str, **env: str) -> dict:
    """Returns the environment of a command that make runs, which is that of harness.py's children."""
    shown = make("--eval=variables-show: ; @env -0", *argv, "variables-show", **env)
    return dict(entry.split("=", 1) for entry in shown.split("\0") if "=" in entry)


def last_command(*argv: str, **env: str) -> str:
    """Returns the last command that make would run."""
    return make("-n", *argv, **env).splitlines()[-1]


def test_the_makefile_and_the_harness_know_the_same():
    assert set(NAMES) <= set(variables.NAMES)


def test_unset_ones_reach_no_child():
    assert set(children()) & set(NAMES) == set()


@pytest.mark.parametrize("name", NAMES)
def test_ones_with_a_value_reach_children_as_they_are_and_empty_ones_do_not(name):
    assert children(**{name: "/a b"}).get(name) == children(f"{name}=/a b").get(name) == "/a b"
    for shown in (children(**{name: ""}), children(**{name: "  "}), children(f"{name}=")):
        assert name not in shown


@pytest.mark.parametrize("argv, env", [([], {}), ([], {"PYTHON": ""}), ([], {"PYTHON": " "}), (["PYTHON="], {})])
def test_python_without_a_value_is_the_one_of_the_system(argv, env):
    make("python", *argv, **env)
    assert re.search(r"^\S*python3 \S+/harness.py parity$", last_command("parity", *argv, **env))
    assert last_command("parity", "PYTHON=/opt/py").startswith("/opt/py ")


@pytest.mark.parametrize("target, name, option", [
    ("shell", "CMD", "--run 'x y'"), ("shell", "FAMILY", "--family x y"), ("deb", "DEB_VERSION", "--version 'x y'")])
def test_options_of_a_command_are_for_variables_with_a_value(target, name, option):
    assert option in last_command(target, f"{name}=x y")
    for value in ("", " "):
        assert "--" not in last_command(target, f"{name}={value}")
        assert "--" not in last_command(target, **{name: value})


@pytest.mark.parametrize("name", variables.NAMES)
def test_the_harness_drops_empty_ones_and_what_make_left(name):
    code = ("import os, sys; sys.path.insert(0, sys.argv[1]); from harness import variables; variables.tidy();"
            "print(os.environ.get(sys.argv[2], 'none'), os.environ.get('MAKEFLAGS', 'none'))")
    for value, want in (("", "none"), (" ", "none"), ("x", "x")):
        done = subprocess.run([sys.executable, "-c", code, REPO / "tools", name], capture_output=True, text=True,
                              check=True, env={**os.environ, name: value, "MAKEFLAGS": "-j"})
        assert done.stdout.split() == [want, "none"]
