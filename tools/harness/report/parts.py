# SPDX-License-Identifier: GPL-2.0
"""Where the time of a long command goes."""

import contextlib
import json
import time
from pathlib import Path

from ..say import say

#: What is made once and then kept in the cache -> seconds, in this run.
_made = {}


def made(name: str):
    """Notes how long it takes to make something that the next run finds in the cache."""
    return _timed(_made, name)


@contextlib.contextmanager
def _timed(seconds: dict, name: str):
    start = time.monotonic()
    try:
        yield
    finally:
        seconds[name] = seconds.get(name, 0.0) + time.monotonic() - start


class Parts:
    """The parts of a command, with their seconds."""

    def __init__(self):
        self.seconds = {}

    def part(self, name: str):
        """Adds what runs in `with` to the time of a part."""
        return _timed(self.seconds, name)

    def table(self) -> str:
        """Returns a line for each part, one for all, and lines for what went into the cache."""
        rows = [*self.seconds.items(), ("all", sum(self.seconds.values()))]
        rows += [(f"of it: {name}", seconds) for name, seconds in _made.items()]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"    {name:{width}}  {seconds:6.0f} s" for name, seconds in rows)

    def finish(self, path: Path) -> None:
        """Prints the table, and adds it to a JSON file of results."""
        say("The time of the parts:")
        print(self.table(), flush=True)
        text = json.loads(path.read_text())
        for key, times in (("parts", self.seconds), ("made", _made)):
            text[key] = {name: round(seconds, 1) for name, seconds in times.items()}
        path.write_text(json.dumps(text, indent=1) + "\n")
