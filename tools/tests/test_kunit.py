# SPDX-License-Identifier: GPL-2.0
"""What a failed KUnit case is told to have failed for."""

import unittest

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


class Near(unittest.TestCase):
    """What the log has about a case."""

    def test_check_that_failed(self):
        """What a check says stands before KUnit's own words."""
        assert kunit._near(LOG, "second")[:2] == ["disk0: a queue is broken",
            "test:     # broken.rs:72: expected 1, got 0"]

    def test_first(self):
        """The first case begins where its suite does."""
        assert kunit._near(LOG, "first")[0] == "    # first: starts"

    def test_unknown(self):
        """A case that the log does not name has nothing."""
        assert kunit._near(LOG, "third") == []
