# SPDX-License-Identifier: GPL-2.0
"""The short table on the terminal."""


def text(report) -> str:
    """Returns the table."""
    return ""
