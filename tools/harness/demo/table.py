# SPDX-License-Identifier: GPL-2.0
"""The table of the demo: cells of one or more lines, none of which is cut."""

import dataclasses

#: The widest that a table may be.
WIDTH = 100
_GAP = "  "


@dataclasses.dataclass
class Row:
    """One row; a cell has as many lines as its text."""

    name: str
    c: str
    rust: str
    verdict: str
    #: Whether it says that something other than speed is wrong.
    wrong: bool = False

    def cells(self) -> list:
        """Returns the cells, each a list of lines."""
        return [cell.split("\n") for cell in (self.name, self.c, self.rust, self.verdict)]


def text(rows: list) -> str:
    """Returns the table."""
    every = [Row("", "C drivers", "Rust drivers", ""), *rows]
    widths = [max(len(line) for row in every for line in row.cells()[column]) for column in range(4)]
    lines = []
    for index, row in enumerate(every):
        cells = row.cells()
        for number in range(max(map(len, cells))):
            parts = [cell[number] if number < len(cell) else "" for cell in cells]
            lines.append(_GAP.join(part.ljust(width) for part, width in zip(parts, widths)).rstrip())
        if index == 0:
            lines.append(_GAP.join("-" * width for width in widths))
    return "\n".join(lines)
