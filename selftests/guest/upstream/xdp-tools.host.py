# SPDX-License-Identifier: GPL-2.0
"""Keeps the results of upstream/xdp-tools for docs/upstream-tests.md."""

from harness.upstream import results


def actions(_guest) -> dict:
    """Returns what the script may ask for: to `record` the result of a case."""
    return {"record": results.Recorder("xdp-tools").record}
