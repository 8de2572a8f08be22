# SPDX-License-Identifier: GPL-2.0
"""The guest kernel: the one KDIR= names, or one built in the cache."""

import argparse
import dataclasses
import os
import re
from pathlib import Path

from .. import files, lock, variables
from ..host import toolchain
from ..in_tree import guest_kernel
from ..paths import BUILT, CONFIG, CONFIGURED, cache, log_dir
from ..proc import run
from ..report import parts
from ..say import Failure, say, warn
from . import kconfig, kmods, source, stock

_SPACE_GB = 4


@dataclasses.dataclass
class _Kind:
    """What to build: fragments of tools/config/ on a tinyconfig, and how."""

    fragments: list
    #: Further variables for make.
    arch: list
    targets: list
    #: Lines that a build prints, about; for the progress line only.
    files: int


def _kind(variant: str) -> _Kind:
    """Returns what a variant is: an addition to the guest kernel, or User-mode Linux."""
    if variant == "uml":
        return _Kind(["uml"], ["ARCH=um"], ["linux", "modules"], 11800)
    # As kunit.py says it: Kbuild would make things again for another name of the same.
    arch = ["ARCH=x86_64"] if variant == guest_kernel.VARIANT else []
    return _Kind(["guest", variant] if variant else ["guest"], arch, ["bzImage", "modules"], 2750)


def directory(variant: str = "", given: str = None) -> Path:
    """Returns the build directory of the guest kernel, building it if there is none.

    `given` and then the environment's KDIR name one to use as it is, and its KERNEL one that Debian
    built. `variant` names a further fragment, `tools/config/<variant>.config`, or a kernel that Debian built.
    """
    if variant in stock.KERNELS:
        return stock.directory(variant)
    stocked = "" if given else stock.asked()
    asked = given or os.environ.get("KDIR")
    if variant or not (asked or stocked):
        return _built(variant)
    return check(asked) if asked else stock.directory(stocked)


def check(asked: str) -> Path:
    """Checks a build directory the user named and returns it. Raises `Failure` naming what is wrong with it."""
    kdir = Path(asked).expanduser().resolve()
    if not kdir.is_dir():
        raise Failure(f"KDIR={asked}: no such directory")
    named = kdir / "include" / "config" / "kernel.release"
    if not (kdir / ".config").exists() or not named.exists():
        raise Failure(f"KDIR={asked}: not the directory of a built kernel (no .config, or no "
                      "include/config/kernel.release)")
    release = named.read_text().strip()
    if not source.supported(release):
        raise Failure(f"KDIR={asked}: Linux {release} is older than {source.RELEASE}: the kernel crate "
                      "lacks there what the modules use. Take a newer kernel; KERNEL=debian fetches one")
    config = kconfig.read(kdir / ".config")
    absent = kconfig.missing(config, kconfig.FOR_MODULES)
    if absent:
        raise Failure(f"KDIR={asked}: the kernel lacks "
                      + ", ".join(f"CONFIG_{symbol}" for symbol in absent)
                      + ": configure it with that and build it anew")
    if not (kdir / "Module.symvers").exists():
        raise Failure(f"KDIR={asked}: the kernel is configured but not built (no Module.symvers): run make there")
    if not (kdir / "rust" / "libkernel.rmeta").exists():
        raise Failure(f"KDIR={asked} has no rust/libkernel.rmeta: headers of distributions may lack the "
                      f"Rust crates of the kernel. packaging/dkms/prepare-kdir makes them for Linux "
                      f"{release}; a kernel that was built there has them after make")
    return kdir


def check_guest(kdir: Path) -> None:
    """Checks that a kernel can be a guest of the harness."""
    config = kconfig.read(kdir / ".config")
    absent = kconfig.missing(config, kconfig.FOR_GUESTS)
    if absent:
        raise Failure(f"{kdir}: a guest needs "
                      + ", ".join(f"CONFIG_{symbol}" for symbol in absent)
                      + "; tools/config/guest.config has all that is needed")
    signed = [symbol for symbol in kconfig.SIGNATURES if config.get(symbol) == "y"]
    if signed:
        raise Failure(f"{kdir}: the kernel loads no module without a signature it trusts (CONFIG_"
                      f"{signed[0]}=y), and those built here have none. Build the kernel without it; to "
                      "run the modules there all the same, sign them by scripts/sign-file with its key")
    kmods.image(kdir)


def _fragments(kind: _Kind) -> list:
    names = [CONFIG / f"{name}.config" for name in kind.fragments]
    if not names[-1].exists():
        raise Failure(f"no kernel variant \"{kind.fragments[-1]}\": {names[-1]} is missing")
    return names


def is_built(variant: str) -> bool:
    """Returns whether the kernel is in the cache, so that `directory()` builds nothing."""
    if not os.environ.get("KSRC") and not any((cache() / "src").glob("linux-*")):
        return False
    return (place(variant, source.ensure(), toolchain.find()) / BUILT).exists()


def place(variant: str, tree: Path, tools) -> Path:
    """Returns where the build of a variant is or goes: named after all that it is made from."""
    version = source.version(tree)
    text = "\n".join([str(tree) if os.environ.get("KSRC") else "", version, tools.identity,
                      *[fragment.read_text() for fragment in _fragments(_kind(variant))]])
    return cache() / "build" / "-".join(part for part in (version, variant, files.key(text)) if part)


def _built(variant: str) -> Path:
    """Returns the cached build, made or finished if needed."""
    _fragments(_kind(variant))
    if variant == guest_kernel.VARIANT:
        return guest_kernel.directory()
    tree, tools = source.ensure(), toolchain.find()
    kdir = place(variant, tree, tools)
    with lock.only_one(kdir):
        if not (kdir / BUILT).exists():
            build(tree, kdir, variant, tools)
    return kdir


def build(tree: Path, kdir: Path, variant: str, tools) -> None:
    """Builds a variant from a source tree, or brings a build up to date."""
    kind = _kind(variant)
    log = log_dir() / f"kernel-{kdir.name}.log"
    kdir.mkdir(parents=True, exist_ok=True)
    files.check_space(kdir, _SPACE_GB, "a kernel build")
    make = ["make", "-C", tree, f"O={kdir}", *tools.make(), *kind.arch]
    fragments = _fragments(kind)
    env = tools.env()
    if not (kdir / CONFIGURED).exists():
        say(f"Configuring Linux {source.version(tree)} in {kdir}; log: {log}")
        run([*make, "tinyconfig"], log, "make tinyconfig", env=env)
        run([tree / "scripts/kconfig/merge_config.sh", "-m", "-O", kdir, kdir / ".config",
             *fragments], log, "merge_config.sh", cwd=tree, env=env)
        run([*make, "olddefconfig"], log, "make olddefconfig", env=env)
        _check_merged(kdir, fragments, log)
        (kdir / CONFIGURED).touch()
    jobs = os.cpu_count() or 2
    say(f"Building Linux {source.version(tree)} with {jobs} jobs; log: {log}")
    done = sum(1 for _ in kdir.glob("**/*.o"))

    def count(lines: int, last: str) -> str:
        object_name = re.sub(r"^\S+\s+(\[M\]\s+)?", "", last)
        return f"{done + lines} of about {kind.files} files: {object_name}"

    with parts.made(f"kernel{f' {variant}' if variant else ''}"):
        run([*make, f"-j{jobs}", *kind.targets], log, "kernel build", env=env, count=count)
    (kdir / BUILT).touch()
    say(f"Kernel: {kdir}")


def _check_merged(kdir: Path, fragments: list, log: Path) -> None:
    """Checks that every symbol of the fragments is in the configuration as asked."""
    wanted = {}
    for fragment in fragments:
        wanted.update(kconfig.read(fragment))
    config = kconfig.read(kdir / ".config")
    for symbol in sorted(kconfig.OPTIONAL & set(wanted)):
        if config.get(symbol, "n") != wanted[symbol]:
            warn(f"CONFIG_{symbol} is not available with these compilers; going on without")
            del wanted[symbol]
    unmet = kconfig.unmet(config, wanted)
    if unmet:
        raise Failure("the kernel's configuration refused what tools/config/ asks for:\n    "
                      + "\n    ".join(unmet) + f"\nLog: {log}")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `harness.py kernel`."""
    variables.variant(parser)
    parser.add_argument("--update", action="store_true",
                        help="with KERNEL=debian: fetch the newest one, even if one is there")


def main(args) -> int:
    """Builds or fetches the guest kernel if there is none and prints where it is."""
    name = stock.asked()
    if args.update and not name:
        raise Failure("--update is for kernels from packages: set KERNEL=debian")
    print(stock.directory(name, newest=True) if args.update else directory(args.variant))
    return 0
