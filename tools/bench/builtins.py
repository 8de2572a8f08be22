# SPDX-License-Identifier: GPL-2.0
"""Functions of modules that are built into a kernel, told apart from the rest of vmlinux.

/proc/kallsyms names no module for them. The linker puts what comes from one object side by side: the
functions that the source of a module defines, and what lies between them, are the module's.
"""

import re

from harness.build import kmods, source

#: Names in the source that are no more than this many symbols apart are neighbours: between them lies what
#: macros define.
_APART = 25

_DEFINED = re.compile(r"^(?![#\s/*])[\w\s*]*?\b(\w+)\s*\(", re.M)
#: The ending that compilers give the name of a part or a variant of a function.
_SUFFIX = re.compile(r"\.(?:cold|part|isra|constprop|llvm|lto_priv)\b.*$")


def names(kdir, modules) -> dict:
    """Returns module -> names of the functions in its source, for those that are part of a kernel."""
    listed = kmods.top(kdir) / "modules.builtin"
    lines = listed.read_text().split() if listed.exists() else []
    found = {kmods.name_of(line): line.removeprefix("kernel/") for line in lines}
    wanted = [name for name in modules if name in found]
    if not wanted:
        return {}
    tree = source.ensure()
    return {name: _functions(tree / found[name]) for name in wanted}


def _functions(module) -> set:
    """Returns the functions that a module's C files define, by the name of the module in the tree."""
    makefile = module.parent / "Makefile"
    text = makefile.read_text().replace("\\\n", " ") if makefile.exists() else ""
    lists = re.findall(rf"^{re.escape(module.stem)}-(?:y|objs|\$\(\w+\))\s*[:+]?=(.*)$", text, re.M)
    objects = [one for line in lists for one in re.findall(r"(\S+)\.o\b", line)] or [module.stem]
    files = [module.with_name(f"{one}.c") for one in objects]
    return {name for file in files if file.exists() for name in _DEFINED.findall(file.read_text())}


def attribute(symbols: list, modules: dict) -> list:
    """Returns `(address, name, module)` of symbols sorted by address, with those of `modules` named.

    `modules` is what `names` returns.
    """
    made = list(symbols)
    for module, functions in modules.items():
        first, last = _cluster(symbols, functions)
        mine = {_base(symbols[at][1]) for at in range(first, last + 1)}
        for at, (address, name, old) in enumerate(symbols):
            if old == "vmlinux" and (first <= at <= last or ".cold" in name and _base(name) in mine):
                made[at] = (address, name, module)
    return made


def _base(name: str) -> str:
    return _SUFFIX.sub("", name).removeprefix("__pfx_")


def _cluster(symbols: list, functions: set) -> tuple:
    """Returns the first and the last place of the run of neighbours with most of the functions."""
    hits = [at for at, (_, name, module) in enumerate(symbols)
            if module == "vmlinux" and ".cold" not in name and _base(name) in functions]
    runs = []
    for at in hits:
        if runs and at - runs[-1][-1] <= _APART:
            runs[-1].append(at)
        else:
            runs.append([at])
    best = max(runs, key=len, default=[])
    return (best[0], best[-1]) if best else (0, -1)
