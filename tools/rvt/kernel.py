# SPDX-License-Identifier: GPL-2.0
"""The guest kernel: the one KDIR= names, or one built in the cache."""

import argparse
import hashlib
import os
import re
import shutil
from pathlib import Path

from . import kconfig, lock, source, toolchain
from .paths import REPO, cache, log_dir
from .proc import run
from .say import Failure, say, warn

_CONFIG = REPO / "config"

#: Lines that a build prints, about; for the progress line only.
_FILES = 2750
_SPACE_GB = 4


def directory(given: str = None, variant: str = "") -> Path:
    """Returns the build directory of the guest kernel, building it if there is none.

    `given` and then the environment's KDIR name one to use as it is. `variant` names a further
    fragment, `config/<variant>.config`.
    """
    asked = given or os.environ.get("KDIR")
    if asked and not variant:
        return check(asked)
    return _built(variant)


def check(asked: str) -> Path:
    """Checks a build directory the user named and returns it.

    # Errors

    `Failure` naming what is wrong with it.
    """
    kdir = Path(asked).expanduser().resolve()
    if not kdir.is_dir():
        raise Failure(f"KDIR={asked}: no such directory")
    release = kdir / "include" / "config" / "kernel.release"
    if not (kdir / ".config").exists() or not release.exists():
        raise Failure(f"KDIR={asked}: not the directory of a built kernel (no .config, or no "
                      "include/config/kernel.release)")
    if not source.supported(release.read_text()):
        raise Failure(f"KDIR={asked}: Linux {release.read_text().strip()} is older than "
                      f"{source.RELEASE}")
    if not (kdir / "Module.symvers").exists():
        raise Failure(f"KDIR={asked}: the kernel is configured but not built (no Module.symvers)")
    config = kconfig.read(kdir / ".config")
    absent = kconfig.missing(config, kconfig.FOR_MODULES)
    if absent:
        raise Failure(f"KDIR={asked}: the kernel lacks "
                      + ", ".join(f"CONFIG_{symbol}" for symbol in absent))
    return kdir


def check_guest(kdir: Path) -> None:
    """Checks that a kernel can be a guest of the harness."""
    absent = kconfig.missing(kconfig.read(kdir / ".config"), kconfig.FOR_GUESTS)
    if absent:
        raise Failure(f"{kdir}: a guest needs "
                      + ", ".join(f"CONFIG_{symbol}" for symbol in absent)
                      + "; config/guest.config has all that is needed")
    if not (kdir / "arch" / "x86" / "boot" / "bzImage").exists():
        raise Failure(f"{kdir} has no arch/x86/boot/bzImage")


def _fragments(variant: str) -> list:
    names = [_CONFIG / "guest.config"]
    if variant:
        names.append(_CONFIG / f"{variant}.config")
        if not names[-1].exists():
            raise Failure(f"no kernel variant \"{variant}\": {names[-1]} is missing")
    return names


def _built(variant: str) -> Path:
    """Returns the cached build, made or finished if needed."""
    fragments = _fragments(variant)
    tree = source.ensure()
    tools = toolchain.find()
    version = source.version(tree)
    text = "\n".join([str(tree) if os.environ.get("KSRC") else "", version, tools.identity,
                      *[fragment.read_text() for fragment in fragments]])
    key = hashlib.sha256(text.encode()).hexdigest()[:12]
    name = "-".join(part for part in (version, variant, key) if part)
    kdir = cache() / "build" / name
    with lock.only_one(kdir):
        if not (kdir / ".rvt-built").exists():
            _build(tree, kdir, fragments, tools)
    return kdir


def _build(tree: Path, kdir: Path, fragments: list, tools) -> None:
    log = log_dir() / f"kernel-{kdir.name}.log"
    kdir.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(kdir).free >> 30
    if free < _SPACE_GB:
        raise Failure(f"{kdir}: {free} GB free, a kernel build needs {_SPACE_GB}")
    make = ["make", "-C", tree, f"O={kdir}", *tools.make()]
    env = tools.env()
    if not (kdir / ".rvt-configured").exists():
        say(f"Configuring Linux {source.version(tree)} in {kdir}; log: {log}")
        run([*make, "tinyconfig"], log, "make tinyconfig", env=env)
        run([tree / "scripts/kconfig/merge_config.sh", "-m", "-O", kdir, kdir / ".config",
             *fragments], log, "merge_config.sh", cwd=tree, env=env)
        run([*make, "olddefconfig"], log, "make olddefconfig", env=env)
        _check_merged(kdir, fragments, log)
        (kdir / ".rvt-configured").touch()
    jobs = os.cpu_count() or 2
    say(f"Building Linux {source.version(tree)} with {jobs} jobs; log: {log}")
    done = sum(1 for _ in kdir.glob("**/*.o"))

    def count(lines: int, last: str) -> str:
        object_name = re.sub(r"^\S+\s+(\[M\]\s+)?", "", last)
        return f"{done + lines} of about {_FILES} files: {object_name}"

    run([*make, f"-j{jobs}", "bzImage", "modules"], log, "kernel build", env=env, count=count)
    (kdir / ".rvt-built").touch()
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
        raise Failure("the kernel's configuration refused what config/ asks for:\n    "
                      + "\n    ".join(unmet) + f"\nLog: {log}")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of `rvt.py kernel`."""
    parser.add_argument("--variant", default="", help="kernel variant: config/<variant>.config")


def main(args) -> int:
    """Builds the guest kernel if there is none and prints where it is."""
    print(directory(None, args.variant))
    return 0
