# SPDX-License-Identifier: GPL-2.0
"""What the harness prints, and the error type it ends with."""

import os
import sys
import time

_START = time.monotonic()


class Failure(Exception):
    """A step failed for a reason the user can act on; printed without a traceback."""


def say(text: str) -> None:
    """Prints one progress line."""
    print(f"[{time.monotonic() - _START:6.1f}s] {text}", flush=True)


def warn(text: str) -> None:
    """Prints one line on stderr that needs attention but stops nothing."""
    print(f"warning: {text}", file=sys.stderr, flush=True)


class Progress:
    """One line of progress: rewritten on a terminal, repeated at intervals elsewhere."""

    def __init__(self, what: str):
        self.what = what
        self.tty = sys.stdout.isatty() and not os.environ.get("CI")
        self.period = 1.0 if self.tty else 15.0
        self.last = time.monotonic()

    def update(self, text: str) -> None:
        """Shows `text` if enough time has passed since the last line."""
        now = time.monotonic()
        if now - self.last < self.period:
            return
        self.last = now
        if self.tty:
            print(f"\r\033[K[{now - _START:6.1f}s] {self.what}: {text}"[:118], end="", flush=True)
        else:
            say(f"{self.what}: {text}")

    def end(self) -> None:
        """Clears the line."""
        if self.tty:
            print("\r\033[K", end="", flush=True)
