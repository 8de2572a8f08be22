# SPDX-License-Identifier: GPL-2.0
"""Where the time of a long command goes."""

import contextlib
import json
import time
from pathlib import Path

from .say import say


class Parts:
    """The parts of a command, with their seconds."""

    def __init__(self):
        self.seconds = {}

    @contextlib.contextmanager
    def part(self, name: str):
        """Adds what runs in `with` to the time of a part."""
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.monotonic() - start

    def table(self) -> str:
        """Returns a line for each part, and one for all."""
        rows = [*self.seconds.items(), ("all", sum(self.seconds.values()))]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"    {name:{width}}  {seconds:6.0f} s" for name, seconds in rows)

    def finish(self, path: Path) -> None:
        """Prints the table, and writes it into a JSON file of results."""
        say("The time of the parts:")
        print(self.table(), flush=True)
        text = json.loads(path.read_text())
        text["parts"] = {name: round(seconds, 1) for name, seconds in self.seconds.items()}
        path.write_text(json.dumps(text, indent=1) + "\n")
