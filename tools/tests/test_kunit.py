# SPDX-License-Identifier: GPL-2.0
"""The reason of a failed KUnit case, from the log."""

import pytest

from harness.checks import places
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


@pytest.mark.parametrize("path", [path for path in places.rust() if "kunit_tests(" in path.read_text()
                                  and path.relative_to(places.REPO).parts[0] != "selftests"],
                         ids=lambda path: str(path.relative_to(places.REPO)))
def test_suites_of_a_product_file_are_compiled_for_tests_only(path):
    gate = "#[cfg(CONFIG_RUST_VIRTIO_KUNIT_TEST)]\n"
    if path.name == "tests.rs":
        assert any(f"{gate}mod tests;\n" in root.read_text() for root in path.parent.glob("*.rs"))
    else:
        text = path.read_text()
        assert text.count(gate) >= text.count("kunit_tests(")
