# SPDX-License-Identifier: GPL-2.0
"""`make clippy`: the modules with their suites, compiled by clippy with the lints of the kernel.

Clippy must be of the same release as the compiler of the kernel's crates. Where the machine has no
such clippy, both are those of Debian 13, in a root, and the crates are made there. That needs no
kernel: the crates are all that clippy reads.
"""

import os
import re
import shutil
from pathlib import Path

from .. import files, lock
from ..host import toolchain
from ..paths import BUILT, CONFIG, OUT, REPO, cache, log_dir, new_log
from ..proc import output, run
from ..report import parts
from ..report.results import Results
from ..report.tap import Test
from ..say import say
from . import kconfig, kernel, modules, source, stock

_SUITE, _TEST = "clippy", "nothing is found in the modules"

#: About as much as the crates take.
_SPACE_GB = 2

#: Makes the crates. Arguments: the kernel's source, where to build, a fragment of a configuration.
_CRATES = """
set -e
make -C "$1" O="$2" tinyconfig
"$1/scripts/kconfig/merge_config.sh" -m -O "$2" "$2/.config" "$3"
make -C "$1" O="$2" olddefconfig
make -C "$1" O="$2" -j"$4" modules_prepare
"""


def look() -> str:
    """Returns what clippy says of the modules, "" if it finds nothing. Raises `Failure` if they do not compile."""
    out = OUT / "modules-clippy"
    with lock.only_one(out):
        # Clippy speaks of what it compiles, and so of nothing that is there.
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        log = new_log(out.name)
        driver = _of_this_machine()
        text = _by_this_machine(driver, out, log) if driver else _in_root(out, log)
    return said(text)


def said(text: str) -> str:
    """Returns the warnings of a compiler in the log of a build, each with the lines that belong to it."""
    blocks, block = [], None
    for line in text.splitlines():
        if line.startswith(("warning: ", "error: ", "error[")):
            block = [line]
            blocks.append(block)
        elif block is not None and re.match(r"(?!  [A-Z]+ .*\.\w+$)[ |=\d]", line):
            block.append(line)
        elif line:
            block = None
    # What has no place is a sum, or of another program.
    return "\n".join(line for block in blocks if "-->" in "".join(block) for line in block)


def _of_this_machine() -> str:
    """Returns the clippy-driver of the compiler that builds kernels here, "" if there is none."""
    compiler, text = toolchain.rustc()
    driver = toolchain.beside_rustc("clippy-driver") if compiler else ""
    found, wanted = output([driver, "--version"]) if driver else "", toolchain.version(text)
    # Clippy 0.1.85 is that of Rust 1.85.
    return driver if found and toolchain.version(found)[2:] == wanted[1:2] else ""


def _by_this_machine(driver: str, out: Path, log: Path) -> str:
    kdir, tools = kernel.directory(), toolchain.find()
    modules.check_rustc(kdir, tools)
    say(f"Compiling the modules by {driver}; log: {log}")
    kunit = kconfig.read(kdir / ".config").get("KUNIT", "n") != "n"
    return run(["make", *modules.llvm(kdir, tools), f"CLIPPY_DRIVER={driver}", *_arguments(kdir, out, kunit)], log,
               "clippy", env=tools.env())


def _in_root(out: Path, log: Path) -> str:
    kdir = _crates()
    say(f"Compiling the modules by clippy of Debian 13; log: {log}")
    # Nothing is linked that could be loaded: the kernel's symbols are not there.
    return _inside(kdir, ["make", "KBUILD_MODPOST_WARN=1", *_arguments(kdir, out, True)], log, "clippy")


def _arguments(kdir: Path, out: Path, kunit: bool) -> list:
    return ["-C", str(kdir), f"M={REPO}", f"MO={out}", "CLIPPY=1", f"KUNIT={int(kunit)}", "SAMPLES=1",
            f"-j{os.cpu_count() or 2}", "modules"]


def _crates() -> Path:
    """Returns a build directory with the kernel's crates as the compiler of the root makes them."""
    tree = source.ensure()
    fragment = CONFIG / "guest.config"
    key = files.key(f"{fragment.read_text()} {stock.COMPILERS.place().name}")
    kdir = cache() / "build" / f"{source.version(tree)}-clippy-{key}"
    with lock.only_one(kdir):
        if not (kdir / BUILT).exists():
            kdir.mkdir(parents=True, exist_ok=True)
            files.check_space(kdir, _SPACE_GB, "the kernel's crates")
            log = log_dir() / f"kernel-{kdir.name}.log"
            say(f"Making the kernel's crates by the compilers of Debian 13 (minutes); log: {log}")
            with parts.made("the kernel's crates for clippy"):
                _inside(kdir, ["sh", "-c", _CRATES, "sh", tree, kdir, fragment, os.cpu_count() or 2], log,
                        "making of the kernel's crates")
            (kdir / BUILT).touch()
    return kdir


def _inside(kdir: Path, argv: list, log: Path, what: str) -> str:
    tree = source.ensure()
    return stock.COMPILERS.run([str(arg) for arg in argv], log, what,
                               binds=[(place, place) for place in (tree, kdir, REPO)],
                               env={"KBUILD_BUILD_USER": "rust-virtio", "KBUILD_BUILD_HOST": "localhost"})


def run_test(results: Results) -> None:
    """Adds whether clippy finds nothing; skipped on a machine where there is no clippy for a kernel."""
    why = "" if _of_this_machine() else stock.reason_not_here()
    if why:
        results.add([Test(_SUITE, _TEST, "skip", why)])
        return
    results.add([Test.judged(_SUITE, _TEST, look())])


def main(_args) -> int:
    """Prints what clippy says of the modules."""
    text = look()
    print(text or "clippy finds nothing")
    return 1 if text else 0
