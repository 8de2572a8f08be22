# SPDX-License-Identifier: GPL-2.0
"""The reason of a failed KUnit case, from the log."""

import fnmatch
import re
from pathlib import Path
from unittest import mock

import pytest

from harness.checks import places
from harness.guest.machine import Outcome, Step
from harness.report.results import Results
from harness.suites import kunit

LOG = """\
    # Subtest: disk
    # first: starts
    ok 1 first
disk0: a queue is broken
test:     # broken.rs:72: expected 1, got 0
    # second: ASSERTION FAILED at broken.rs:117
    # second.speed: normal
    not ok 2 second
""".splitlines()


@pytest.mark.parametrize("case, lines", [
    # A check prints before KUnit does; the first case begins where its suite does; the log has no third case.
    ("second", ["disk0: a queue is broken", "test:     # broken.rs:72: expected 1, got 0"]),
    ("first", ["    # first: starts"]), ("third", [])])
def test_lines_about_a_case(case, lines):
    found = kunit._near(LOG, case)
    assert found[:len(lines)] == lines and bool(found) == bool(lines)


def test_each_suite_is_of_one_share():
    names = {name for path in places.rust() for name in re.findall(r"kunit_tests\((\w+)\)", path.read_text())}
    shares = {name: [glob for glob in kunit.SHARES if fnmatch.fnmatchcase(name, glob)] for name in names}
    assert names and all(len(globs) == 1 for globs in shares.values()), shares
    assert {glob for globs in shares.values() for glob in globs} == set(kunit.SHARES)


@pytest.fixture
def run(monkeypatch):
    """Returns a function that runs suites without a guest; it returns the globs of the guests, and the results."""
    def run(suites: str, title: str) -> tuple:
        globs, made = [], Results("kunit")

        def guest(_results, _kdir, _ours, _ring, _steps, glob):
            globs.append(glob)
            lines = ["suite s", "    ok 1 a", "    1..1"]
            steps = [Step("before"), Step("load-m", status=0), Step("results", lines, 0)]
            return Outcome(Path("/run"), steps), []

        for module, name, stand_in in (
                (kunit.kernel, "directory", lambda _: Path("/kernel")), (kunit.kernel, "check_guest", mock.Mock()),
                (kunit.fits, "why_no_suites", lambda _: ""), (kunit.modtree, "why_not_ring", lambda *_: ""),
                (kunit.modtree, "omitted", lambda *_: set()), (kunit.modules, "build", lambda *_, **__: [Path("m.ko")]),
                (kunit.modules, "output_dir", mock.Mock()), (kunit.refused, "run", lambda _: []),
                (kunit, "say", mock.Mock()), (kunit, "_in_qemu", guest)):
            monkeypatch.setattr(module, name, stand_in)
        kunit.run(made, "", "rust", title=title, suites=suites)
        return sorted(globs), [test.full_name() for test in made.tests]

    return run


def test_each_share_has_a_guest(run):
    assert run("", " (C ring)") == (sorted(kunit.SHARES), ["s (C ring):a"] * len(kunit.SHARES))


def test_suites_that_are_asked_for_are_in_one_guest(run):
    assert run("rust_virtio_net_x*", "") == (["rust_virtio_net_x*"], ["s:a"])


@pytest.mark.parametrize("path", [path for path in places.rust() if "kunit_tests(" in path.read_text()
                                  and path.relative_to(places.REPO).parts[0] != "selftests"],
                         ids=lambda path: str(path.relative_to(places.REPO)))
def test_suites_of_a_product_file_are_compiled_for_tests_only(path):
    gate = "#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]\n"
    # Files below `tests` are parts of tests.rs.
    tests = path.parent.with_suffix(".rs") if path.parent.name == "tests" else path
    if tests.name == "tests.rs":
        assert any(f"{gate}mod tests;\n" in root.read_text() for root in tests.parent.glob("*.rs"))
    else:
        text = path.read_text()
        assert text.count(gate) >= text.count("kunit_tests(")
