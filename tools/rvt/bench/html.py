# SPDX-License-Identifier: GPL-2.0
"""The report people look at."""


def write(report, path, base=None) -> None:
    """Writes the page."""
