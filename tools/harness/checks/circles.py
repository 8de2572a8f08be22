# SPDX-License-Identifier: GPL-2.0
"""Files of a crate that import each other in a circle, by their `use crate::`.

A module and the files in its folder are one thing here: they may import each other.
"""

import re
from pathlib import Path

_USE = re.compile(r"\buse crate::([^;]*);")
_GROUP = re.compile(r"([\w:]*?)(?:::)?\{(.*)\}", re.S)


def findings(folder: Path) -> list:
    """Returns `(file, [files on the way])` for each file that imports itself by way of others."""
    files = {path.relative_to(folder).with_suffix("").as_posix(): path for path in folder.rglob("*.rs")}
    uses = {name: _imports(name, path.read_text(), files, folder.name) for name, path in files.items()}
    found = []
    for name, path in sorted(files.items()):
        reached = _reached(name, uses)
        if name in reached:
            found.append((path, sorted(other for other in uses[name] if name in _reached(other, uses))))
    return found


def _imports(name: str, text: str, files: dict, crate: str) -> set:
    """Returns the names of the files that a file imports from, but for its own parts and what it is a part of."""
    found = set()
    for tree in _USE.findall(re.sub(r"//.*", "", text)):
        for path in _paths(tree):
            words = [word for word in path.split("::") if word]
            # The folder itself may be a module, with the same names in the root of the crate.
            if words[:1] == [crate]:
                words = words[1:]
            prefixes = ("/".join(words[:n]) for n in range(len(words), 0, -1))
            file = next((prefix for prefix in prefixes if prefix in files), name)
            if not f"{name}/".startswith(f"{file}/") and not f"{file}/".startswith(f"{name}/"):
                found.add(file)
    return found


def _paths(tree: str) -> list:
    """Returns the paths that a tree of imports stands for."""
    group = _GROUP.fullmatch(tree.strip())
    if not group:
        return [tree.split(" as ")[0].strip()]
    parts, depth = [""], 0
    for char in group[2]:
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    return [f"{group[1]}::{path}" for part in parts if part.strip() for path in _paths(part)]


def _reached(name: str, uses: dict) -> set:
    """Returns the files that a file imports from, and those that these import from, and so on."""
    reached, left = set(), [name]
    while left:
        for other in uses[left.pop()] - reached:
            reached.add(other)
            left.append(other)
    return reached
