# SPDX-License-Identifier: GPL-2.0
"""`harness.py buildtest`: builds the modules in place, as a user does, for a distribution's kernel.

The compilers are those of Debian 13, the oldest that the kernel takes: rustc 1.85.1, gcc, no rustfmt.
The kernel is Debian's, which has the C ring built in. Its Rust crates are there as distributions
ship them at the least: `*.rmeta` and `*.so`. What prepare-kdir leaves, which is that and what the kernel
generates, is built against outside of the tree, for `KERNEL=debian`; a whole `rust/` only with clang:
that of the guest kernel, for all other tests. Debian's is nowhere whole.
"""

import os
import shutil
from pathlib import Path

from .. import tree
from ..build import stock
from ..paths import OUT, new_log
from ..report.results import Results
from ..report.tap import Test
from ..say import Failure, say

_SUITE = "build/in-place"

#: The kernel whose packages are used.
_KERNEL = "debian"

_MODULES = ["rust_virtio_blk.ko", "rust_virtio_net.ko", "rust_virtqueue.ko", "rust_vring.ko"]

#: Generated files that others are made from.
_GENERATED = ["**/bindings_generated.rs", "**/exports_generated.h", "**/*.rmeta",
              "rust/kernel/generated_arch_static_branch_asm.rs"]

#: A prefix of the kernel crate's symbols, with the hash of crate and compiler, and one of no kernel.
_CRATE, _OTHER = "_6kernel", "Xx_6kernel"


class _Build:
    """A copy of the tree, and a build directory with the least that there is of the crates."""

    def __init__(self, log: Path):
        self.log = log
        self.kernel = stock.directory(_KERNEL)
        self.top = OUT / "in-place"
        self.tree, self.kdir = self.top / "tree", self.top / "kdir"
        shutil.rmtree(self.top, ignore_errors=True)
        self.tree.mkdir(parents=True)
        tree.copy(self.tree, log)
        self._slim()

    def _slim(self) -> None:
        """Makes the build directory: all of the kernel's, but of `rust/` what the compiler reads."""
        full = self.kernel / stock.BUILD
        (self.kdir / "rust").mkdir(parents=True)
        for path in full.iterdir():
            if path.name not in ("rust", "Makefile", "Module.symvers"):
                (self.kdir / path.name).symlink_to(path)
        for path in [*(full / "rust").glob("*.rmeta"), *(full / "rust").glob("*.so")]:
            (self.kdir / "rust" / path.name).symlink_to(path)
        text = (full / "Makefile").read_text()
        (self.kdir / "Makefile").write_text(text.replace(str(full), str(self.kdir)))
        shutil.copy(self.kernel / "Module.symvers", self.kdir / "Module.symvers")

    def make(self) -> str:
        """Builds the modules, and returns what make printed. Raises `Failure` with the end of that if the build
        fails."""
        return stock.inside(self.kernel, ["make", "-C", self.kdir, f"M={self.tree}", f"-j{os.cpu_count() or 2}",
                                          "modules"], self.log, "module build")

    def times(self) -> dict:
        """Returns when each file below the copy was changed."""
        return {str(path.relative_to(self.tree)): path.stat().st_mtime_ns
                for path in self.tree.rglob("*") if path.is_file()}

    def changed(self) -> set:
        """Builds, and returns the files that this changed."""
        before = self.times()
        self.make()
        return {name for name, time in self.times().items() if before.get(name) != time}


#: Prints what is not as it should be of the compilers in the root, and of the kernel in $0.
_COMPILERS = """
case $(rustc --version) in 'rustc 1.85.1 '*) ;; *) rustc --version; exit 1 ;; esac
! command -v rustfmt || exit 1
for line in CONFIG_CC_IS_GCC=y CONFIG_VIRTIO=y; do grep -x "$line" "$0/.config" || exit 1; done
"""


def _compilers(build: _Build) -> str:
    stock.inside(build.kernel, ["sh", "-c", _COMPILERS, build.kdir], build.log, "look at the compilers")
    left = [path.name for path in (build.kdir / "rust").iterdir() if path.suffix not in (".rmeta", ".so")]
    return f"in rust/ there is more: {', '.join(left)}" if left else ""


def _modules(build: _Build) -> str:
    text = build.make()
    found = sorted(path.name for path in build.tree.glob("*.ko"))
    if found != _MODULES:
        return f"there are {', '.join(found)}\n{text}"
    said = text.count("rust_virtio_ring is left out: Linux ")
    return "" if said == 1 else f"it was said {said} times that the ring is left out\n{text}"


def _nothing_to_do(build: _Build) -> str:
    changed = build.changed()
    return f"made again: {', '.join(sorted(changed))}" if changed else ""


#: A file -> the files that are made again when it has changed, and some that are not.
_TOUCHED = {
    "net/tx.rs": ("virtio_net.o rust_virtio_net.ko",
                  "net_buffers.o vring.o virtio.o virtio_blk.o netdev.o bindings_generated.rs"),
    "abstractions/netdev/bindings_helper.h": ("bindings_generated.rs netdev.o net_buffers.o virtio_net.o "
                                              "rust_virtio_net.ko",
                                              "vring.o virtio.o blockdev.o blk_buffers.o virtio_blk.o "
                                              "rust_virtio_blk.ko"),
    "virtqueue/ring/desc_state.rs": ("vring.o virtio.o blk_buffers.o net_buffers.o virtio_blk.o virtio_net.o "
                               "rust_vring.ko rust_virtqueue.ko rust_virtio_blk.ko rust_virtio_net.ko",
                               "blockdev.o netdev.o bindings_generated.rs"),
}


def _after_touch(build: _Build) -> str:
    for file, (made, others) in _TOUCHED.items():
        os.utime(build.tree / file)
        changed = {Path(name).name for name in build.changed()}
        lacking, surplus = set(made.split()) - changed, set(others.split()) & changed
        if lacking:
            return f"{file}: not made again: {', '.join(sorted(lacking))}"
        if surplus:
            return f"{file}: also made again: {', '.join(sorted(surplus))}"
        wrong = _nothing_to_do(build)
        if wrong:
            return f"{file}: the second time {wrong}"
    return ""


def _after_deletion(build: _Build) -> str:
    gone = {str(path.relative_to(build.tree)) for pattern in _GENERATED for path in build.tree.glob(pattern)}
    kinds = {Path(name).suffix for name in gone}
    if not {".rs", ".h", ".rmeta"} <= kinds:
        return f"there was nothing to delete of some kind: {', '.join(sorted(gone))}"
    for name in gone:
        (build.tree / name).unlink()
    lacking = gone - build.changed()
    return f"not made again: {', '.join(sorted(lacking))}" if lacking else _nothing_to_do(build)


def _other_crates(build: _Build) -> str:
    symvers = build.kdir / "Module.symvers"
    text = symvers.read_text()
    if _CRATE not in text:
        return "the kernel exports nothing of its crate `kernel`"
    symvers.write_text(text.replace(_CRATE, _OTHER))
    try:
        build.make()
    except Failure as failure:
        wanted = "The crates in " + str(build.kdir / "rust") + " are not those of this kernel."
        return "" if wanted in str(failure) else f"another message: {failure}"
    finally:
        symvers.write_text(text)
    return "modules were built that this kernel cannot load"


#: In this order: each goes on from what the one before it left.
_TESTS = {
    "the compilers are rustc 1.85.1 and gcc, without rustfmt": _compilers,
    "these, and *.rmeta and *.so, are enough": _modules,
    "a second build does nothing": _nothing_to_do,
    "a changed file has what depends on it made again and no more": _after_touch,
    "generated files that were deleted are made again": _after_deletion,
    "crates of another kernel are refused": _other_crates,
}


def run(results: Results) -> None:
    """Builds the modules in place in every state that a build can be in."""
    log = new_log("in-place")
    why = stock.reason_not_here()
    if why:
        results.add([Test(_SUITE, name, "skip", why) for name in _TESTS])
        return
    say(f"Builds in place, by the compilers of Debian 13, for its kernel; log: {log}")
    try:
        build = _Build(log)
    except stock.Unavailable as why:
        results.add([Test(_SUITE, name, "skip", str(why).splitlines()[0]) for name in _TESTS])
        return
    except Failure as failure:
        results.add([Test(_SUITE, "the kernel's packages", "fail", str(failure))])
        return
    for name, test in _TESTS.items():
        try:
            wrong = test(build)
        except Failure as failure:
            wrong = str(failure)
        results.add([Test.judged(_SUITE, name, wrong and f"{wrong}\nLog: {log}")])


def main(_args) -> int:
    """Runs the tests and prints the summary."""
    results = Results("buildtest")
    run(results)
    return results.finish()
