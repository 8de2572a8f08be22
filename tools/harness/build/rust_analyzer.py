# SPDX-License-Identifier: GPL-2.0
"""`harness.py rust-analyzer`: rust-project.json, by which editors find their way through the kernel's crates
and ours.

The crates of the kernel are those that its own generate_rust_analyzer.py lists. That script sees in an
external module only crates that depend on the kernel alone; ours depend on each other, as the commands
say by which Kbuild compiled them.
"""

import graphlib
import json
import re
import shlex
from pathlib import Path

from ..host import toolchain
from ..paths import OUT, REPO, new_log
from ..proc import run
from ..say import Failure, say
from . import kernel, modules, stock

#: Where editors look for it.
PROJECT = REPO / "rust-project.json"

_SAVED = re.compile(r"^savedcmd_(\S+) := (.*)$", re.M)


def project(base: dict, out: Path) -> dict:
    """Returns the kernel's project with our crates as they were built in `out` in place of what the
    kernel's script found of them."""
    crates = _without_ours(base["crates"])
    known = {crate["display_name"]: index for index, crate in enumerate(crates)}
    commands = _ordered([_Command(text, out) for text in _commands(out)])
    generated = next(crate["cfg"] for crate in crates if crate["display_name"] == "kernel")
    for command in commands:
        wanted = ["core", "alloc", *command.externs]
        crates.append({
            "display_name": command.name,
            "root_module": str(command.root),
            "is_workspace_member": True,
            "deps": [{"crate": known[name], "name": name} for name in wanted if name in known],
            "cfg": [*generated, *command.cfgs],
            "edition": command.edition,
            "env": {"RUST_MODFILE": "This is only for rust-analyzer", "RUST_VIRTIO_OBJ": str(out),
                    "OBJTREE": command.objtree},
            "source": {"include_dirs": [str(REPO), str(out)], "exclude_dirs": []},
        })
        # A driver's crate may have the name of one that it depends on.
        if command.is_library:
            known[command.name] = len(crates) - 1
    return {**base, "crates": crates}


def _without_ours(crates: list) -> list:
    """Returns the crates of the kernel, with the numbers that they have without the others."""
    kept = [index for index, crate in enumerate(crates) if REPO not in Path(crate["root_module"]).parents]
    number = {index: new for new, index in enumerate(kept)}
    return [{**crates[index], "deps": [{**dep, "crate": number[dep["crate"]]} for dep in crates[index]["deps"]]}
            for index in kept]


def _commands(out: Path) -> list:
    """Returns the commands that compiled crates."""
    found = []
    for path in sorted(out.glob("**/.*.o.cmd")):
        saved = _SAVED.search(path.read_text())
        if saved and "--crate-type" in saved[2]:
            found.append(saved[2])
    return found


class _Command:
    """How a crate was compiled."""

    def __init__(self, text: str, out: Path):
        # Behind it come linkers and such.
        words = shlex.split(text.split(" ;", 1)[0])
        self.root = Path(next(word for word in reversed(words) if word.endswith(".rs"))).resolve()
        self.externs = [word for before, word in zip(words, words[1:]) if before == "--extern"]
        self.cfgs = [word for before, word in zip(words, words[1:]) if before == "--cfg"]
        self.edition = next((word.split("=")[1] for word in words if word.startswith("--edition=")), "2021")
        self.objtree = next((word.split("=", 1)[1] for word in words if word.startswith("OBJTREE=")), str(out))
        library = next((word for word in words if word.startswith("--emit=metadata=")), "")
        self.is_library = bool(library)
        self.name = (Path(library).stem.removeprefix("lib") if library else self.root.stem).replace("-", "_")


def _ordered(commands: list) -> list:
    """Returns the commands with each behind those of the crates that it depends on."""
    libraries = {command.name: command for command in commands if command.is_library}
    needs = {command: [libraries[name] for name in command.externs if name in libraries] for command in commands}
    try:
        return list(graphlib.TopologicalSorter(needs).static_order())
    except graphlib.CycleError as error:
        names = sorted({command.name for command in error.args[1]})
        raise Failure(f"crates depend on each other in a circle: {', '.join(names)}")


def _base(kdir: Path) -> dict:
    """Returns the project that the kernel's own script makes. Raises `Failure` if the kernel's build directory has no
    such script."""
    if stock.is_stock(kdir) or not list(kdir.glob("source/scripts/generate_rust_analyzer.py")) + list(
            kdir.glob("scripts/generate_rust_analyzer.py")):
        raise Failure(f"{kdir} is of a package, which lacks the kernel's sources for rust-analyzer: "
                      "run this without KERNEL= and KDIR=")
    place = OUT / "rust-analyzer"
    place.mkdir(parents=True, exist_ok=True)
    log = new_log("rust-analyzer")
    tools = toolchain.find()
    run(["make", "-C", kdir, f"M={REPO}", f"MO={place}", *tools.make(), "rust-analyzer"], log, "rust-analyzer",
        env=tools.env())
    return json.loads((place / "rust-project.json").read_text())


def main(_args) -> int:
    """Builds the modules with their suites, and writes the file."""
    kdir = kernel.directory()
    base = _base(kdir)
    modules.build(kdir, kunit=True)
    whole = project(base, modules.output_dir(kdir, True))
    ours = [crate["display_name"] for crate in whole["crates"] if REPO in Path(crate["root_module"]).parents]
    PROJECT.write_text(json.dumps(whole, indent=1, sort_keys=True) + "\n")
    say(f"{PROJECT}: {len(whole['crates']) - len(ours)} crates of the kernel and {', '.join(ours)}")
    return 0
