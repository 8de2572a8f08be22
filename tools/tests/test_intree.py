# SPDX-License-Identifier: GPL-2.0
"""Tests of `make in-tree`, on trees that have of a kernel only what it looks at."""

import argparse
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.in_tree import in_tree, kunit_py
from harness.in_tree import seed as intree_seed
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


@pytest.fixture
def tree(tmp_path, write) -> Path:
    """Returns a tree that is not under git."""
    for name, text in _FILES.items():
        write(f"linux/{name}", text)
    return tmp_path / "linux"


@pytest.fixture
def place(tree, monkeypatch, capsys):
    """Returns a function that runs `make in-tree`, and returns what it says."""
    def run(dest="") -> str:
        in_tree.main(argparse.Namespace(dest=str(dest), branch="rust-virtio"))
        return capsys.readouterr().out

    monkeypatch.setenv("KSRC", str(tree))
    return run


def assert_placed(tree: Path) -> None:
    """Checks that a tree has everything, and that its own files lead to it."""
    for name, path in in_tree.parts().items():
        assert (tree / name).read_bytes() == path.read_bytes(), name
    assert 'source "drivers/virtio/rust/Kconfig"\n' in (tree / "drivers/virtio/Kconfig").read_text()
    makefile = (tree / "drivers/virtio/Makefile").read_text()
    assert "obj-$(CONFIG_RUST) += rust/\n" in makefile
    assert "virtio.o virtio_ring.o" not in makefile


@pytest.fixture
def dest(tmp_path) -> Path:
    """Returns the place of a copy."""
    return tmp_path / "with-drivers"


def test_the_copy_has_the_drivers_and_the_original_is_as_it_was(place, tree, dest):
    place(dest)
    assert_placed(dest)
    assert (dest / "mm/slab.c").read_text() == _FILES["mm/slab.c"]
    assert {name: (tree / name).read_text() for name in _FILES} == _FILES
    assert not (tree / in_tree.PLACE).exists()
    before = {path: path.stat().st_mtime_ns for path in dest.rglob("*")}
    assert "everything is there already" in place(dest)
    assert {path: path.stat().st_mtime_ns for path in dest.rglob("*")} == before


def test_a_file_that_is_no_more_goes(place, dest, monkeypatch):
    gone = f"{in_tree.PLACE}/blk/gone.rs"
    with_more = {**in_tree.parts(), gone: in_tree.PATCH}
    with monkeypatch.context() as earlier:
        earlier.setattr(in_tree, "parts", lambda: with_more)
        place(dest)
    assert (dest / gone).exists()
    assert "1 files" in place(dest)
    assert not (dest / gone).exists()


def test_changes_made_in_the_copy_are_not_overwritten(place, dest):
    place(dest)
    edited = dest / in_tree.PLACE / "rust_virtio_blk.rs"
    edited.write_text("// mine\n")
    with pytest.raises(Failure, match="would be lost:\n    .*/rust_virtio_blk.rs"):
        place(dest)
    assert edited.read_text() == "// mine\n"


def test_a_copy_that_nobody_works_in_is_brought_up_to_date_in_any_case(place, tree, dest):
    place(dest)
    for name in ("rust_virtio_blk.rs", ".placed"):
        (dest / in_tree.PLACE / name).write_text("{}\n")
    assert in_tree.place(dest, base=tree) == 1
    assert_placed(dest)


@pytest.mark.parametrize("file, text, copy, why", [
    ("with-drivers/notes", "", "with-drivers", "exists, and is not a tree that this made"),
    ("linux/mm/slab.c", "", "linux/copy", "is in the tree that is to be copied"),
    ("linux/mm/slab.c", "", "", "not a git tree.*DEST="),
    ("linux/Makefile", _FILES["Makefile"].replace("= 3", "= 2"), "with-drivers", "Linux 7.2.4 is older than 7.3"),
    ("linux/rust/kernel/lib.rs", None, "with-drivers", "has no rust/kernel"),
    ("linux/drivers/virtio/Makefile", "obj-y += all.o\n", "with-drivers",
     "are not what tools/in-tree/virtio.patch was made")],
    ids=["not a copy", "within", "no place", "old", "no Rust", "no fit"])
def test_refused_before_anything_is_copied(place, tree, tmp_path, write, file, text, copy, why):
    if text is None:
        (tmp_path / file).unlink()
    else:
        write(file, text)
    with pytest.raises(Failure, match=why):
        place(tmp_path / copy if copy else "")
    assert not (tmp_path / "with-drivers/Kconfig").exists()
    assert not (tree / "copy").exists()


@pytest.fixture
def git(tree, monkeypatch):
    """Puts the tree under git; returns a function that runs git in it."""
    def run(*arguments: str, tree=tree) -> str:
        return subprocess.run(["git", "-C", str(tree), *arguments], check=True, capture_output=True,
                              text=True).stdout.strip()

    if not shutil.which("git"):
        pytest.skip("git is not installed")
    for name in ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL"):
        monkeypatch.setenv(f"GIT_{name}", "test")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    run("init", "--quiet", "--initial-branch=master")
    run("add", ".")
    run("commit", "--quiet", "-m", "Linux")
    return run


def test_one_commit_on_a_branch_and_nothing_else(place, tree, git):
    head = git("rev-parse", "HEAD")
    place()
    assert git("rev-list", "rust-virtio", "^master").count("\n") == 0
    assert git("rev-parse", "rust-virtio^") == git("rev-parse", "HEAD") == head
    assert (git("symbolic-ref", "HEAD"), git("status", "--porcelain")) == ("refs/heads/master", "")
    assert not (tree / in_tree.PLACE).exists()
    before = git("rev-parse", "rust-virtio")
    assert "has everything already" in place()
    assert git("rev-parse", "rust-virtio") == before
    git("checkout", "--quiet", "rust-virtio")
    assert_placed(tree)
    assert git("status", "--porcelain") == ""


@pytest.fixture
def older_branch(place, git, monkeypatch):
    """Makes a branch with fewer drivers, and checks it out."""
    older = {name: path for name, path in in_tree.parts().items() if "/net/" not in name}
    with monkeypatch.context() as earlier:
        earlier.setattr(in_tree, "parts", lambda: older)
        place()
    git("checkout", "--quiet", "rust-virtio")


def test_newer_drivers_replace_the_commit_also_where_it_is_checked_out(place, tree, git, older_branch):
    place()
    assert git("rev-parse", "rust-virtio^") == git("rev-parse", "master")
    assert_placed(tree)
    assert git("status", "--porcelain") == ""


def test_what_others_committed_on_the_branch_stays(place, tree, git, older_branch):
    (tree / "mm/slab.c").write_text("/* changed */\n")
    git("commit", "--quiet", "-a", "-m", "mm: change")
    theirs = git("rev-parse", "HEAD")
    place()
    assert git("rev-parse", "rust-virtio^") == theirs
    assert (tree / "mm/slab.c").read_text() == "/* changed */\n"
    assert_placed(tree)


def test_changes_that_are_not_committed_are_named(place, tree, git):
    (tree / "mm/slab.c").write_text("/* changed */\n")
    with pytest.raises(Failure, match="not committed.*\n.*mm/slab.c"):
        place()
    assert git("branch", "--list", "rust-virtio") == ""


def test_a_clone_is_made_where_a_place_is_given(place, git, dest):
    place(dest)
    assert_placed(dest)
    assert git("symbolic-ref", "HEAD", tree=dest) == "refs/heads/rust-virtio"
    assert git("branch", "--list", "rust-virtio") == ""
    assert "has everything already" in place(dest)


def test_recorded_commands_name_the_new_directories_and_keep_their_times(tmp_path, write):
    build, tree, fresh, moved = (tmp_path / name for name in ("build", "src", "b2", "s2"))
    command = write("build/.fork.o.cmd", f"savedcmd := cc -I{tree}/include -I{tree} {tree}-other/a\n"
                    f"deps := {build}/a.h\n")
    os.utime(command, ns=(1000, 2000))
    write("build/fork.o", f"{tree}/include")
    write("build/.rvt-built")
    intree_seed.seed(build, tree, fresh, moved)
    assert (fresh / command.name).read_text() == (
        f"savedcmd := cc -I{moved}/include -I{moved} {tree}-other/a\ndeps := {fresh}/a.h\n")
    assert (fresh / command.name).stat().st_mtime_ns == 2000
    assert (fresh / "fork.o").read_text() == f"{tree}/include"
    assert not (fresh / ".rvt-built").exists()


def test_kunit_py_runs_qemu_without_kvm_and_with_everything_else():
    done = subprocess.run([Path(kunit_py._TCG, "qemu-system-x86_64"), "-m", "1024", "-append", "a b", "-accel",
                           "kvm", "-accel", "hvf", "-accel", "tcg", "-serial", "stdio"], check=True,
                          capture_output=True, text=True, env={**os.environ, "HARNESS_QEMU": "/bin/echo"})
    assert done.stdout == "-m 1024 -append a b -accel tcg -serial stdio\n"


def test_kunit_py_looks_for_every_suite_of_the_sources():
    assert {"rust_virtio_feature", "rust_virtio_net_rx", "rust_virtio_blk_io"} < kunit_py.suites()


def test_a_suite_that_did_not_run_fails(monkeypatch):
    groups = {"rust_virtio_a": "PASS SKIP", "rust_virtio_b": "PASS TEST_CRASHED", "rust_virtio_d": "SKIP",
              "of_the_kernel": "FAIL"}
    ran = {"sub_groups": [{"name": name, "test_cases": [{"name": case, "status": status} for case, status
                                                        in zip("xy", statuses.split())]}
                          for name, statuses in groups.items()]}
    monkeypatch.setattr(kunit_py, "suites", lambda: {"rust_virtio_a", "rust_virtio_c"})
    tests = kunit_py._read(ran, "in-tree/um")
    assert [(test.name, test.result) for test in tests] == [
        ("rust_virtio_a", "pass"), ("rust_virtio_b", "fail"), ("rust_virtio_c", "fail"), ("rust_virtio_d", "skip")]
    assert (tests[1].reason, tests[2].reason) == ("failed: y", "the suite did not run")
