# SPDX-License-Identifier: GPL-2.0
"""Sizes of the module files: what stays in memory of their sections."""

import json
import tempfile
from pathlib import Path

from harness.build import kmods
from harness.host import toolchain
from harness.proc import output
from harness.say import Failure

from . import ratio, samples
from .stacks import BASELINE

KINDS = ("text", "rodata", "data")
#: Sections that are loaded and not kept, by the start of their names (kernel/module/main.c).
_GONE = (".init", ".modinfo", "__versions")


def run(bench) -> None:
    """Adds a result for each stack and kind, and one for all kinds, broken down by module."""
    paths = files(bench)
    found = {stack.name: {name: sections(paths[name]) for name in closure(stack, paths)} for stack in bench.stacks}

    def note(stack) -> str:
        others = [module for module in found[stack.name] if module not in stack.modules]
        return (f"Sections that stay after loading, of {', '.join(stack.modules)} and what they need: "
                f"{', '.join(others)}.")

    for kind in (*KINDS, "all"):
        add(bench, f"modules-{kind}", {name: parts(sizes, kind) for name, sizes in found.items()}, note, accel="host")


def files(bench) -> dict:
    """Returns module -> file, ours and the kernel's."""
    return {**kmods.every(bench.kdir), **{Path(path).stem: Path(path) for path in bench.ours}}


def closure(stack, files: dict) -> list:
    """Returns the modules of a stack and all that they need, those first."""
    found = []

    def visit(name: str) -> None:
        name = stack.replaces.get(name, name)
        if name in found:
            return
        if name not in files:
            raise Failure(f"there is no file of the module {name}, which {stack.label} needs")
        for other in output(["modinfo", "-F", "depends", files[name]]).strip().split(","):
            if other:
                visit(other)
        found.append(name)

    for module in stack.modules:
        visit(module)
    return found


def sections(path: Path) -> dict:
    """Returns the bytes of text, read-only data and data that stay after a module is loaded."""
    suffix = toolchain.find().llvm
    tool = f"llvm-readelf{suffix if suffix.startswith('-') else ''}"
    with tempfile.NamedTemporaryFile(suffix=".ko") as plain:
        # Distributions compress modules.
        plain.write(kmods.read(path))
        plain.flush()
        text = output([tool, "--elf-output-style=JSON", "-S", plain.name])
    if not text:
        raise Failure(f"{tool} cannot read {path}")
    return count([entry["Section"] for entry in json.loads(text)[0]["Sections"]])


def count(entries: list) -> dict:
    """Sums sections, as llvm-readelf describes them, up by kind."""
    sizes = dict.fromkeys(KINDS, 0)
    for entry in entries:
        flags = {flag["Name"] for flag in entry["Flags"]["Flags"]}
        if "SHF_ALLOC" not in flags or entry["Name"]["Name"].startswith(_GONE):
            continue
        kind = "text" if "SHF_EXECINSTR" in flags else "data" if "SHF_WRITE" in flags else "rodata"
        sizes[kind] += entry["Size"]
    return sizes


def parts(sizes: dict, kind: str) -> list:
    """Returns (module, kind, bytes) of modules, for one kind or for "all"."""
    return [(module, name, size[name]) for module, size in sizes.items() for name in KINDS if kind in (name, "all")]


def total(found: list) -> int:
    """Sums up what `parts` returns, None if some of it is not known."""
    known = samples.known([size for *_, size in found])
    return sum(known) if len(known) == len(found) else None


def add(bench, workload: str, found: dict, note, **more) -> None:
    """Adds a result for each stack: the sum of its parts, and how that compares with the baseline.

    `found` is the stack's name -> (module, kind, bytes), with None for bytes that are not known, and
    `note(stack)` what to say of it.
    """
    totals = {name: total(mine) for name, mine in found.items()}
    for stack in bench.stacks:
        made = samples.result(bench, "memory", stack, workload, "memory", "bytes", layout="", note=note(stack), **more)
        samples.fill(made, [totals[stack.name]])
        if made.value is not None:
            made.breakdown = [{"layer": bench.layer(module), "module": module, "function": kind, "value": size}
                              for module, kind, size in found[stack.name]]
            if stack.name != BASELINE and totals.get(BASELINE):
                made.ratio = ratio.exact(made.value, totals[BASELINE])
        bench.report.add(made)
