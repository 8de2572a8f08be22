# SPDX-License-Identifier: GPL-2.0
"""Our modules: built by Kbuild into out/, with or without their KUnit suites."""

import argparse
import os
import shlex
import shutil
from pathlib import Path

from .. import lock, variables
from ..host import toolchain
from ..paths import OUT, REPO, new_log
from ..proc import run
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
        check_rustc(kdir, tools)
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
        run(["make", "-C", kdir, f"M={REPO}", f"MO={out}", *llvm(kdir, tools),
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


def llvm(kdir: Path, tools) -> list:
    """Returns the compiler variables: LLVM= only for a kernel that clang built; and ARCH=um for
    User-mode Linux, which no machine is by itself."""
    config = kconfig.read(kdir / ".config")
    return [arg for arg in tools.make()
            if not arg.startswith("LLVM=") or config.get("CC_IS_CLANG") == "y"] + \
        (["ARCH=um"] if config.get("UML") == "y" else [])


def check_rustc(kdir: Path, tools) -> None:
    """Checks that the Rust compiler is the one that built the kernel: its crates need it."""
    wanted = kconfig.read(kdir / ".config").get("RUSTC_VERSION_TEXT", "").strip('"')
    found = tools.identity.split("|")[0]
    if wanted and wanted != found:
        raise Failure(f"{kdir} was built with \"{wanted}\", and {tools.rustc} is \"{found}\": "
                      "set RUSTC= to the compiler of the kernel, or build the kernel anew")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `harness.py modules`."""
    parser.add_argument("--kunit", action="store_true", default=os.environ.get("KUNIT") == "1",
                        help="compile the KUnit suites in (also KUNIT=1)")
    variables.variant(parser)


def main(args) -> int:
    """Builds the modules and prints where they are."""
    for name in build(kernel.directory(args.variant), args.kunit, args.variant):
        print(name)
    return 0
