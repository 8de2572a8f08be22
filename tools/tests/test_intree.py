# SPDX-License-Identifier: GPL-2.0
"""Tests of `make in-tree`, on trees that have of a kernel only what it looks at."""

import argparse
import contextlib
import io
import os
import shutil
import subprocess
import unittest
from pathlib import Path
from unittest import mock

from harness.in_tree import in_tree, kunit_py, seed
from harness.paths import BUILT
from harness.say import Failure

_KCONFIG = """\
menuconfig VIRTIO_MENU
if VIRTIO_MENU
if VIRTIO_RTC

endif # VIRTIO_RTC

endif # VIRTIO_MENU
"""

_MAKEFILE = """\
# SPDX-License-Identifier: GPL-2.0
obj-$(CONFIG_VIRTIO) += virtio.o virtio_ring.o
obj-$(CONFIG_VIRTIO_ANCHOR) += virtio_anchor.o
obj-$(CONFIG_VIRTIO_PCI_LIB) += virtio_pci_modern_dev.o
obj-$(CONFIG_VIRTIO_PCI_LIB_LEGACY) += virtio_pci_legacy_dev.o
virtio_rtc-$(CONFIG_VIRTIO_RTC_PTP) += virtio_rtc_ptp.o
virtio_rtc-$(CONFIG_VIRTIO_RTC_ARM) += virtio_rtc_arm.o
virtio_rtc-$(CONFIG_VIRTIO_RTC_CLASS) += virtio_rtc_class.o
"""

_FILES = {
    "Makefile": "VERSION = 7\nPATCHLEVEL = 3\nSUBLEVEL = 4\nEXTRAVERSION =\n",
    "Kconfig": "mainmenu\n",
    "rust/kernel/lib.rs": "",
    "drivers/virtio/Kconfig": _KCONFIG,
    "drivers/virtio/Makefile": _MAKEFILE,
    "mm/slab.c": "/* of the kernel */\n",
}


class _Trees(unittest.TestCase):
    """A directory for trees, which goes with the test."""

    def setUp(self):
        self.tree = self.top / "linux"
        for name, text in _FILES.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def run_in_tree(self, dest="", branch="rust-virtio", tree=None) -> str:
        """Runs `make in-tree`; returns what it says."""
        said = io.StringIO()
        with mock.patch.dict(os.environ, {"KSRC": str(tree or self.tree)}), \
                contextlib.redirect_stdout(said):
            in_tree.main(argparse.Namespace(dest=str(dest), branch=branch))
        return said.getvalue()

    def assert_placed(self, tree: Path) -> None:
        """Checks that a tree has everything, and that its own files lead to it."""
        for name, path in in_tree.parts().items():
            assert (tree / name).read_bytes() == path.read_bytes(), name
        assert 'source "drivers/virtio/rust/Kconfig"\n' in (tree / "drivers/virtio/Kconfig").read_text()
        makefile = (tree / "drivers/virtio/Makefile").read_text()
        assert "obj-$(CONFIG_RUST) += rust/\n" in makefile
        assert "virtio.o virtio_ring.o" not in makefile


class Copies(_Trees):
    """A tree that is not under git, copied to DEST."""

    def setUp(self):
        super().setUp()
        self.dest = self.top / "with-drivers"

    def test_the_copy_has_the_drivers_and_the_original_is_as_it_was(self):
        self.run_in_tree(self.dest)
        self.assert_placed(self.dest)
        assert (self.dest / "mm/slab.c").read_text() == _FILES["mm/slab.c"]
        for name, text in _FILES.items():
            assert (self.tree / name).read_text() == text
        assert not (self.tree / in_tree.PLACE).exists()

    def test_a_second_run_changes_nothing(self):
        self.run_in_tree(self.dest)
        before = {path: path.stat().st_mtime_ns for path in self.dest.rglob("*")}
        assert "everything is there already" in self.run_in_tree(self.dest)
        assert {path: path.stat().st_mtime_ns for path in self.dest.rglob("*")} == before

    def test_a_file_that_is_no_more_goes(self):
        gone = f"{in_tree.PLACE}/blk/gone.rs"
        with_more = {**in_tree.parts(), gone: in_tree.PATCH}
        with mock.patch.object(in_tree, "parts", lambda: with_more):
            self.run_in_tree(self.dest)
        assert (self.dest / gone).exists()
        assert "1 files" in self.run_in_tree(self.dest)
        assert not (self.dest / gone).exists()

    def test_changes_made_in_the_copy_are_not_overwritten(self):
        self.run_in_tree(self.dest)
        edited = self.dest / in_tree.PLACE / "rust_virtio_blk.rs"
        edited.write_text("// mine\n")
        with self.assertRaisesRegex(Failure, "would be lost:\n    .*/rust_virtio_blk.rs"):
            self.run_in_tree(self.dest)
        assert edited.read_text() == "// mine\n"

    def test_a_copy_that_nobody_works_in_is_brought_up_to_date_in_any_case(self):
        self.run_in_tree(self.dest)
        for name in ("rust_virtio_blk.rs", ".placed"):
            (self.dest / in_tree.PLACE / name).write_text("{}\n")
        assert in_tree.place(self.dest, base=self.tree) == 1
        self.assert_placed(self.dest)

    def test_a_directory_that_it_did_not_make_is_refused(self):
        self.dest.mkdir()
        (self.dest / "notes").touch()
        with self.assertRaisesRegex(Failure, "exists, and is not a tree that this made"):
            self.run_in_tree(self.dest)

    def test_a_place_inside_the_tree_is_refused(self):
        with self.assertRaisesRegex(Failure, "is in the tree that is to be copied"):
            self.run_in_tree(self.tree / "copy")

    def test_without_git_and_without_a_place_for_the_copy_it_asks(self):
        with self.assertRaisesRegex(Failure, "not a git tree.*DEST="):
            self.run_in_tree()

    def test_a_tree_that_is_too_old_is_refused(self):
        (self.tree / "Makefile").write_text(_FILES["Makefile"].replace("= 3", "= 2"))
        with self.assertRaisesRegex(Failure, "Linux 7.2.4 is older than 7.3"):
            self.run_in_tree(self.dest)

    def test_a_tree_without_rust_is_refused(self):
        (self.tree / "rust/kernel/lib.rs").unlink()
        with self.assertRaisesRegex(Failure, "has no rust/kernel"):
            self.run_in_tree(self.dest)

    def test_a_tree_that_the_changes_do_not_fit_is_refused_before_it_is_copied(self):
        (self.tree / "drivers/virtio/Makefile").write_text("obj-y += all.o\n")
        with self.assertRaisesRegex(Failure, "are not what tools/in-tree/virtio.patch was made"):
            self.run_in_tree(self.dest)
        assert not self.dest.exists()


@unittest.skipUnless(shutil.which("git"), "git is not installed")
class Branches(_Trees):
    """A tree under git, which gets a branch."""

    def setUp(self):
        super().setUp()
        names = {f"GIT_{who}_{what}": "test" for who in ("AUTHOR", "COMMITTER")
                 for what in ("NAME", "EMAIL")}
        self.enter(mock.patch.dict(os.environ, {
            **names, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}))
        self.git("init", "--quiet", "--initial-branch=master")
        self.git("add", ".")
        self.git("commit", "--quiet", "-m", "Linux")

    def git(self, *arguments: str, tree=None) -> str:
        """Runs git in the tree."""
        return subprocess.run(["git", "-C", str(tree or self.tree), *arguments], check=True,
                              capture_output=True, text=True).stdout.strip()

    def test_one_commit_on_a_branch_and_nothing_else(self):
        head = self.git("rev-parse", "HEAD")
        self.run_in_tree()
        assert self.git("rev-list", "rust-virtio", "^master").count("\n") == 0
        assert self.git("rev-parse", "rust-virtio^") == head
        assert self.git("rev-parse", "HEAD") == head
        assert self.git("symbolic-ref", "HEAD") == "refs/heads/master"
        assert self.git("status", "--porcelain") == ""
        assert not (self.tree / in_tree.PLACE).exists()
        self.git("checkout", "--quiet", "rust-virtio")
        self.assert_placed(self.tree)
        assert self.git("status", "--porcelain") == ""

    def test_a_second_run_changes_nothing(self):
        self.run_in_tree()
        before = self.git("rev-parse", "rust-virtio")
        assert "has everything already" in self.run_in_tree()
        assert self.git("rev-parse", "rust-virtio") == before

    def test_newer_drivers_replace_the_commit_also_where_it_is_checked_out(self):
        older = {name: path for name, path in in_tree.parts().items() if "/net/" not in name}
        with mock.patch.object(in_tree, "parts", lambda: older):
            self.run_in_tree()
        self.git("checkout", "--quiet", "rust-virtio")
        self.run_in_tree()
        assert self.git("rev-parse", "rust-virtio^") == self.git("rev-parse", "master")
        self.assert_placed(self.tree)
        assert self.git("status", "--porcelain") == ""

    def test_what_others_committed_on_the_branch_stays(self):
        older = {name: path for name, path in in_tree.parts().items() if "/net/" not in name}
        with mock.patch.object(in_tree, "parts", lambda: older):
            self.run_in_tree()
        self.git("checkout", "--quiet", "rust-virtio")
        (self.tree / "mm/slab.c").write_text("/* changed */\n")
        self.git("commit", "--quiet", "-a", "-m", "mm: change")
        theirs = self.git("rev-parse", "HEAD")
        self.run_in_tree()
        assert self.git("rev-parse", "rust-virtio^") == theirs
        assert (self.tree / "mm/slab.c").read_text() == "/* changed */\n"
        self.assert_placed(self.tree)

    def test_changes_that_are_not_committed_are_named(self):
        (self.tree / "mm/slab.c").write_text("/* changed */\n")
        with self.assertRaisesRegex(Failure, "not committed.*\n.*mm/slab.c"):
            self.run_in_tree()
        assert self.git("branch", "--list", "rust-virtio") == ""

    def test_a_clone_is_made_where_a_place_is_given(self):
        dest = self.top / "clone"
        self.run_in_tree(dest)
        self.assert_placed(dest)
        assert self.git("symbolic-ref", "HEAD", tree=dest) == "refs/heads/rust-virtio"
        assert self.git("branch", "--list", "rust-virtio") == ""
        assert "has everything already" in self.run_in_tree(dest)


class Seeds(unittest.TestCase):
    """A build directory that goes on with another tree."""

    def test_recorded_commands_name_the_new_directories_and_keep_their_times(self):
        top = self.top
        build, tree, fresh, moved = (top / name for name in ("build", "src", "b2", "s2"))
        build.mkdir()
        command = build / ".fork.o.cmd"
        command.write_text(f"savedcmd := cc -I{tree}/include -I{tree} {tree}-other/a\n"
                           f"deps := {build}/a.h\n")
        os.utime(command, ns=(1000, 2000))
        (build / "fork.o").write_text(f"{tree}/include")
        (build / BUILT).touch()
        with contextlib.redirect_stdout(io.StringIO()):
            seed.seed(build, tree, fresh, moved)
        assert (fresh / command.name).read_text() == (
            f"savedcmd := cc -I{moved}/include -I{moved} {tree}-other/a\n" f"deps := {fresh}/a.h\n")
        assert (fresh / command.name).stat().st_mtime_ns == 2000
        assert (fresh / "fork.o").read_text() == f"{tree}/include"
        assert not (fresh / BUILT).exists()


class KunitPy(unittest.TestCase):
    """What kunit.py is run with, and what is made of its results."""

    def test_qemu_runs_without_kvm_and_with_everything_else(self):
        wrapper = Path(kunit_py._TCG, "qemu-system-x86_64")
        done = subprocess.run([wrapper, "-m", "1024", "-append", "a b", "-accel", "kvm", "-accel",
                               "hvf", "-accel", "tcg", "-serial", "stdio"], check=True,
                              capture_output=True, text=True,
                              env={**os.environ, "HARNESS_QEMU": "/bin/echo"})
        assert done.stdout == "-m 1024 -append a b -accel tcg -serial stdio\n"

    def test_every_suite_of_the_sources_is_looked_for(self):
        assert {"rust_virtio_feature", "rust_virtio_net_rx", "rust_virtio_blk_io"} < kunit_py.suites()

    def test_a_suite_that_did_not_run_fails(self):
        ran = {"sub_groups": [
            {"name": "rust_virtio_a", "test_cases": [{"name": "x", "status": "PASS"},
                                                     {"name": "y", "status": "SKIP"}]},
            {"name": "rust_virtio_b", "test_cases": [{"name": "x", "status": "PASS"},
                                                     {"name": "y", "status": "TEST_CRASHED"}]},
            {"name": "rust_virtio_d", "test_cases": [{"name": "x", "status": "SKIP"}]},
            {"name": "of_the_kernel", "test_cases": [{"name": "x", "status": "FAIL"}]}]}
        with mock.patch.object(kunit_py, "suites", lambda: {"rust_virtio_a", "rust_virtio_c"}):
            tests = kunit_py._read(ran, "in-tree/um")
        assert [(test.name, test.result) for test in tests] == [("rust_virtio_a", "pass"), ("rust_virtio_b", "fail"),
            ("rust_virtio_c", "fail"), ("rust_virtio_d", "skip")]
        assert tests[1].reason == "failed: y"
        assert tests[2].reason == "the suite did not run"
