# SPDX-License-Identifier: GPL-2.0
"""Our modules: built by Kbuild into out/, with or without their KUnit suites."""

import argparse
import os
import shlex
from pathlib import Path

from . import kconfig, kernel, lock, modtree, stock, toolchain
from .paths import OUT, REPO, log_dir
from .proc import run
from .say import Failure, say


def output_dir(kunit: bool, variant: str = "") -> Path:
    """Returns where a build's products go."""
    return OUT / "-".join(part for part in ("modules", variant, "kunit" if kunit else "") if part)


def _variant(kdir: Path, variant: str) -> str:
    """Returns what the directory of the products is named after: of a kernel from packages its name."""
    return variant or (stock.about(kdir)["name"] if stock.is_stock(kdir) else "")


def build(kdir: Path, kunit: bool = False, variant: str = "") -> list:
    """Builds the modules for the kernel in `kdir` and returns the .ko files.

    # Errors

    `Failure` if the kernel cannot have them, or the compilers are not those of the kernel.
    """
    if kunit and kconfig.read(kdir / ".config").get("KUNIT", "n") == "n":
        raise Failure(f"{kdir}: the suites need a kernel with CONFIG_KUNIT: build without KUNIT=1")
    out = output_dir(kunit, _variant(kdir, variant))
    with lock.only_one(out):
        return _build(kdir, out, kunit)


def _build(kdir: Path, out: Path, kunit: bool) -> list:
    out.mkdir(parents=True, exist_ok=True)
    log = log_dir() / f"{out.name}.log"
    log.unlink(missing_ok=True)
    if stock.is_stock(kdir):
        tools = None
    else:
        tools = toolchain.find()
        _check_rustc(kdir, tools)
    same = out / ".kdir"
    if same.exists() and same.read_text() != str(kdir):
        say(f"{out.name} was built for another kernel; building it anew")
        _clean(out)
    same.write_text(str(kdir))
    say(f"Building the modules{' with their KUnit suites' if kunit else ''}; log: {log}")
    more = [f"KUNIT={int(kunit)}", *shlex.split(os.environ.get("MODULE_ARGS", ""))]
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
    return modtree.find_ours(output_dir(False, _variant(kdir, ""))) or sorted(REPO.glob("*.ko"))


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


def _clean(out: Path) -> None:
    for path in sorted(out.glob("**/*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `rvt.py modules`."""
    parser.add_argument("--kunit", action="store_true", default=os.environ.get("KUNIT") == "1",
                        help="compile the KUnit suites in (also KUNIT=1)")
    parser.add_argument("--variant", default=os.environ.get("VARIANT", ""),
                        help="kernel variant: config/<variant>.config (also VARIANT=)")


def main(args) -> int:
    """Builds the modules and prints where they are."""
    kdir = kernel.directory(None, args.variant)
    for name in build(kdir, args.kunit, args.variant):
        print(name)
    return 0
