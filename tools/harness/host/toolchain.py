# SPDX-License-Identifier: GPL-2.0
"""Finds the compilers: rustc with its sources, clang of the same LLVM, bindgen.

The first rustc in PATH is often one without the standard library's sources, which the kernel needs;
every candidate is looked at, and the choice is passed to Kbuild by name.
"""

import dataclasses
import os
import re
import shutil
from pathlib import Path

from ..paths import cache
from ..proc import output
from ..say import Failure

RUSTC_MIN = (1, 85)
LLVM_MIN = 17
BINDGEN_MIN = (0, 71, 1)


@dataclasses.dataclass
class Toolchain:
    """A set of compilers that can build the kernel together."""

    rustc: str
    rustdoc: str
    bindgen: str
    #: Kbuild's LLVM=: "1" or a suffix such as "-22".
    llvm: str
    #: Text that changes when a compiler does.
    identity: str

    def make(self) -> list:
        """Returns the variables for Kbuild's command line."""
        return [f"LLVM={self.llvm}", f"RUSTC={self.rustc}", f"RUSTDOC={self.rustdoc}", f"BINDGEN={self.bindgen}"]

    def env(self) -> dict:
        """Returns the environment for Kbuild."""
        suffix = self.llvm if self.llvm.startswith("-") else ""
        config = output([f"llvm-config{suffix}", "--libdir"]).strip()
        libclang = {"LIBCLANG_PATH": config} if config else {}
        return {**libclang, "KBUILD_BUILD_USER": "rust-virtio", "KBUILD_BUILD_HOST": "localhost", "LC_ALL": "C"}


def version(text: str) -> tuple:
    """Returns the first dotted number of a text, as integers."""
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part) for part in found.groups() if part) if found else ()


def rustc() -> tuple:
    """Returns `(rustc, verbose version text)`, or `("", reason)`."""
    names = [os.environ.get("RUSTC"), "/usr/bin/rustc", shutil.which("rustc")]
    reason = "no rustc found"
    for name in dict.fromkeys(n for n in names if n):
        text = output([name, "-vV"])
        if not text:
            continue
        if version(text) < RUSTC_MIN:
            reason = f"{name} is {version(text)[0]}.{version(text)[1]}, older than 1.85"
            continue
        root = output([name, "--print", "sysroot"]).strip()
        if not (Path(root) / "lib/rustlib/src/rust/library/core/src/lib.rs").exists():
            reason = f"{name} has no standard library sources"
            continue
        return name, text
    return "", reason


def beside_rustc(name: str) -> str:
    """Returns a tool that comes with a Rust compiler, best with that of the kernel; "" if there is none."""
    compiler = rustc()[0]
    names = [str(Path(compiler).with_name(name)) if compiler else "", shutil.which(name) or "",
             str(Path(os.environ.get("CARGO_HOME", "~/.cargo")).expanduser() / "bin" / name)]
    # That of rustup is there before what it stands for.
    return next((found for found in names if found and output([found, "--version"])), "")


def llvm(rustc_text: str) -> tuple:
    """Returns `(suffix or "1", clang's version text)`, preferring the LLVM that rustc is built
    with; or `("", reason)`."""
    found = re.search(r"LLVM version: (\d+)", rustc_text)
    same = f"-{found.group(1)}" if found else ""
    for suffix in dict.fromkeys([same, "", *[f"-{n}" for n in range(30, LLVM_MIN - 1, -1)]]):
        text = output([f"clang{suffix}", "--version"])
        if not text or version(text)[0] < LLVM_MIN:
            continue
        if all(shutil.which(tool + suffix) for tool in ("ld.lld", "llvm-ar", "llvm-objcopy")):
            return suffix or "1", text.splitlines()[0]
    return "", f"no clang, lld and llvm tools of one version from {LLVM_MIN} on"


def bindgen() -> tuple:
    """Returns `(bindgen, version text)`, or `("", reason)`."""
    names = [os.environ.get("BINDGEN"), str(cache() / "tools/bin/bindgen"), shutil.which("bindgen")]
    reason = "no bindgen found"
    for name in dict.fromkeys(n for n in names if n):
        text = output([name, "--version"])
        if text and version(text) >= BINDGEN_MIN:
            return name, text.strip()
        if text:
            reason = f"{name} is {text.strip()}, older than 0.71.1"
    return "", reason


def find() -> Toolchain:
    """Returns the compilers to use. Raises a `Failure` that lists everything that is missing."""
    compiler, text = rustc()
    suffix, clang = llvm(text if compiler else "")
    generator, bindgen_text = bindgen()
    wrong = [reason for found, reason in ((compiler, text), (suffix, clang), (generator, bindgen_text)) if not found]
    if wrong:
        raise Failure("the compilers are not all there (make setup):\n    " + "\n    ".join(wrong))
    rustdoc = os.environ.get("RUSTDOC") or str(Path(compiler).with_name("rustdoc"))
    return Toolchain(compiler, rustdoc, generator, suffix, "|".join([text.splitlines()[0], clang, bindgen_text]))
