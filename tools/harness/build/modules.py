# SPDX-License-Identifier: GPL-2.0
"""Our modules: built by Kbuild into out/, with or without their KUnit suites."""

import argparse
import os
import re
import shlex
import shutil
from pathlib import Path

from .. import lock, variables
from ..host import toolchain
from ..paths import OUT, REPO, new_log
from ..proc import output, run
from ..say import Failure, say
from . import kconfig, kernel, modtree, stock


def output_dir(kdir: Path, kunit: bool, variant: str = "") -> Path:
    """Returns where the products of a build for a kernel go: named after its variant, or what packages it is from."""
    variant = variant or stock.about(kdir).get("name", "")
    return OUT / "-".join(part for part in ("modules", variant, "kunit" if kunit else "") if part)


def build(kdir: Path, kunit: bool = False, variant: str = "") -> list:
    """Builds the modules for the kernel in `kdir` and returns the .ko files. Raises `Failure` if the kernel cannot have
    them, or the compilers are not those of the kernel."""
    if kunit and kconfig.read(kdir / ".config").get("KUNIT", "n") == "n":
        raise Failure(f"{kdir}: the suites need a kernel with CONFIG_KUNIT: build without KUNIT=1")
    out = output_dir(kdir, kunit, variant)
    with lock.only_one(out):
        return _build(kdir, out, kunit)


def _build(kdir: Path, out: Path, kunit: bool) -> list:
    out.mkdir(parents=True, exist_ok=True)
    log = new_log(out.name)
    if stock.is_stock(kdir):
        tools = None
    else:
        tools = toolchain.find()
        _check_rustc(kdir, tools)
    same = out / ".kdir"
    if same.exists() and same.read_text() != str(kdir):
        say(f"{out.name} was built for another kernel; building it anew")
        shutil.rmtree(out)
        out.mkdir()
    same.write_text(str(kdir))
    say(f"Building the modules{' with their KUnit suites' if kunit else ''}; log: {log}")
    more = [f"KUNIT={int(kunit)}", "SAMPLES=1", *shlex.split(os.environ.get("MODULE_ARGS", ""))]
    if tools is None:
        stock.build_modules(kdir, out, more, log)
    else:
        run(["make", "-C", kdir, f"M={REPO}", f"MO={out}", *_llvm(kdir, tools),
             f"-j{os.cpu_count() or 2}", *more, "modules"], log, "module build", env=tools.env())
    found = modtree.find_ours(out)
    if not found:
        raise Failure(f"the build made no module\nLog: {log}")
    return found


def built(kdir: Path, given: str = None) -> list:
    """Returns the .ko files that are there already for a kernel, without building anything."""
    if given:
        return modtree.find_ours(Path(given))
    return modtree.find_ours(output_dir(kdir, False)) or sorted(REPO.glob("*.ko"))


def _llvm(kdir: Path, tools) -> list:
    """Returns the compiler variables: LLVM= only for a kernel that clang built; and ARCH=um for
    User-mode Linux, which no machine is by itself."""
    config = kconfig.read(kdir / ".config")
    return [arg for arg in tools.make()
            if not arg.startswith("LLVM=") or config.get("CC_IS_CLANG") == "y"] + \
        (["ARCH=um"] if config.get("UML") == "y" else [])


def _check_rustc(kdir: Path, tools) -> None:
    """Checks that the Rust compiler is the one that built the kernel: its crates need it."""
    wanted = kconfig.read(kdir / ".config").get("RUSTC_VERSION_TEXT", "").strip('"')
    found = tools.identity.split("|")[0]
    if wanted and wanted != found:
        raise Failure(f"{kdir} was built with \"{wanted}\", and {tools.rustc} is \"{found}\": "
                      "set RUSTC= to the compiler of the kernel, or build the kernel anew")


def clippy(kdir: Path) -> str:
    """Compiles the modules, with their suites, by clippy in place of rustc, with the lints of the kernel, and returns
    what it says. Raises `Failure` if there is no clippy of the compiler that built the kernel."""
    if stock.is_stock(kdir):
        raise Failure("a kernel from packages was built by a compiler of theirs: run this without KERNEL=")
    tools = toolchain.find()
    _check_rustc(kdir, tools)
    driver = toolchain.beside_rustc("clippy-driver")
    found, wanted = output([driver, "--version"]) if driver else "", toolchain.version(tools.identity)
    # Clippy 0.1.85 is that of Rust 1.85.
    if not found or toolchain.version(found)[2:] != wanted[1:2]:
        raise Failure(f"no clippy-driver of {tools.rustc}, which is of {'.'.join(map(str, wanted))}: it is in the "
                      "package rust-clippy of Debian 13, rust-web-clippy of Debian 12")
    out, kunit = OUT / "modules-clippy", kconfig.read(kdir / ".config").get("KUNIT", "n") == "y"
    with lock.only_one(out):
        # It speaks of what it compiles, and so of nothing that is there.
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        log = new_log(out.name)
        say(f"Compiling the modules by {found.strip()}; log: {log}")
        return said(run(["make", "-C", kdir, f"M={REPO}", f"MO={out}", *_llvm(kdir, tools), "CLIPPY=1",
                         f"CLIPPY_DRIVER={driver}", f"KUNIT={int(kunit)}", f"-j{os.cpu_count() or 2}", "modules"],
                        log, "clippy", env=tools.env()))


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


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `harness.py modules`."""
    parser.add_argument("--kunit", action="store_true", default=os.environ.get("KUNIT") == "1",
                        help="compile the KUnit suites in (also KUNIT=1)")
    variables.variant(parser)
    parser.add_argument("--clippy", action="store_true", help="have clippy look at them, and build nothing to use")


def main(args) -> int:
    """Builds the modules and prints where they are."""
    kdir = kernel.directory(args.variant)
    if args.clippy:
        text = clippy(kdir)
        print(text or "clippy finds nothing")
        return 1 if text else 0
    for name in build(kdir, args.kunit, args.variant):
        print(name)
    return 0
