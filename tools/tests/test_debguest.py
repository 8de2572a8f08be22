# SPDX-License-Identifier: GPL-2.0
"""Tests what the story of the package is made of, without booting anything."""

import os
import shutil
import subprocess
import tarfile
from io import BytesIO

import pytest

from harness.package import broken as debguest_package
from harness.package import disk_image, guest, story
from harness.package.story import CHAPTERS, compare, selection
from harness.paths import GUEST_SCRIPTS
from harness.say import Failure
from harness.suites import selftest


@pytest.mark.parametrize("number", range(len(CHAPTERS)), ids=[chapter.name for chapter in CHAPTERS])
def test_a_chapter_comes_after_one_before_it_and_has_its_scripts(number):
    chapter, seen = CHAPTERS[number], [before.name for before in CHAPTERS[:number]]
    assert bool(chapter.image) != bool(chapter.after)
    assert chapter.image in ("", "fresh", "installed")
    assert {*chapter.like, *([chapter.after] if chapter.after else [])} <= set(seen)
    assert [step for step in chapter.steps if not (GUEST_SCRIPTS / f"stock-{step.split()[0]}").is_file()] == []


@pytest.mark.parametrize("name", story.SELFTESTS)
def test_selftests_are_there(name):
    assert selftest.scripts(name) == [name]


def test_selection_takes_what_comes_before():
    names = [chapter.name for chapter in selection("disabled")]
    assert (names[0], names[-1]) == ("installed", "disabled")
    assert "fresh" not in names
    assert selection("") == CHAPTERS
    with pytest.raises(Failure, match="no chapter matches \"nosuch\".*enabled"):
        selection("nosuch")


BEFORE = ["etc 1234 /etc/fstab", "etc 9 /etc/ld.so.cache", "initramfs usr/lib/a.ko"]


@pytest.mark.parametrize("kinds, now, result", [
    ("etc initramfs", BEFORE[::-1], "pass"),
    ("etc", [*BEFORE, "etc 5 /etc/modprobe.d/rust.conf"], "fail: + etc 5 /etc/modprobe.d/rust.conf"),
    ("etc", BEFORE[1:], "fail: - etc 1234 /etc/fstab"),
    ("etc", ["etc 4321 /etc/fstab"], "fail: "),
    # Other kinds do not count, nor does what the system writes.
    ("etc", BEFORE[:2], "pass"), ("initramfs", BEFORE[:2], "fail: "),
    ("etc", [BEFORE[0], "etc 8 /etc/ld.so.cache"], "pass"),
    # Of the package, only the blacklist may be in the initramfs.
    ("initramfs", [*BEFORE, "initramfs usr/lib/modprobe.d/rust-virtio-dkms.conf"], "pass"),
    ("initramfs", [*BEFORE, "initramfs etc/modprobe.d/rust-virtio-enabled.conf"], "fail: "),
    ("initramfs", [*BEFORE, "initramfs usr/lib/rust-virtio/load"], "fail: ")])
def test_files_that_a_chapter_may_leave_behind(kinds, now, result):
    test = compare("s", "other", kinds.split(), BEFORE, now)
    assert (f"{test.result}: {test.reason}" if test.reason else test.result).startswith(result)
    assert test.result == result.partition(":")[0]


@pytest.mark.parametrize("before, now, result", [([], [], "fail"), (None, BEFORE, "skip")])
def test_nothing_to_compare_is_no_success(before, now, result):
    assert compare("s", "o", ["etc"], before, now).result == result


def test_numbers_of_releases_count_by_value():
    names = ["7.3.10+deb13-amd64", "6.12.118+deb13-cloud-amd64", "7.3.4+deb13-amd64"]
    assert sorted(names, key=guest.sort_key) == [names[1], names[2], names[0]]


@pytest.fixture
def disk(tmp_path, write, monkeypatch):
    """Returns a disk with two kernels, of which the older one has an empty initramfs."""
    monkeypatch.setenv("PATH", os.environ["PATH"] + ":/usr/sbin:/sbin")
    if not shutil.which("mke2fs"):
        pytest.skip("no mke2fs")
    for release in ("7.3.10+deb13-amd64", "7.3.4+deb13-amd64"):
        write(f"root/boot/vmlinuz-{release}", f"kernel {release}")
    write("root/boot/initrd.img-7.3.4+deb13-amd64")
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", tmp_path / "root", tmp_path / "disk", "8M"], check=True,
                   stdout=subprocess.DEVNULL)
    return guest.Disk(tmp_path / "disk", tmp_path / "log")


def test_files_are_taken_from_a_disk(disk, tmp_path):
    assert disk.kernels() == ["7.3.4+deb13-amd64", "7.3.10+deb13-amd64"]
    taken = disk.take("/boot/vmlinuz-7.3.4+deb13-amd64", tmp_path / "taken")
    assert taken.read_bytes() == b"kernel 7.3.4+deb13-amd64"


@pytest.mark.parametrize("release", ["7.3.10+deb13-amd64", "7.3.4+deb13-amd64"], ids=["absent", "empty"])
def test_files_that_are_not_there_or_empty_are_not_taken(disk, tmp_path, release):
    with pytest.raises(Failure, match="has no /boot/initrd.im"):
        disk.take(f"/boot/initrd.img-{release}", tmp_path / "taken")


def test_a_disk_is_clean_or_not(disk):
    assert disk.is_clean()
    assert disk.check() == ""
    subprocess.run(["debugfs", "-w", "-R", "set_super_value state 0", disk.path], check=True, stderr=subprocess.DEVNULL)
    assert not disk.is_clean()


def test_job():
    packed = guest._job({"steps": b"a true\n"}, {}, {"HARNESS_A": "it's"})
    with tarfile.open(fileobj=BytesIO(packed)) as tar:
        assert tar.extractfile("job/steps").read() == b"a true\n"
        assert b"export HARNESS_A='it'\"'\"'s'\n" in tar.extractfile("env").read()
        assert {"stock.sh", "steps.sh", "selftests/lib/tap.sh", "selftests/stock/state.sh",
                "selftests/net/filter.sh"} <= set(tar.getnames())


@pytest.fixture
def deb(tmp_path, write):
    """Returns a function that builds a package with a text, at a time."""
    if not shutil.which("dpkg-deb"):
        pytest.skip("no dpkg-deb")

    def build(text: str, when: int):
        control = write("tree/DEBIAN/control",
                        "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m <m@m>\nDescription: d\n")
        for path in (write("tree/file", text), control, control.parent, tmp_path / "tree"):
            os.utime(path, (when, when))
        out = tmp_path / f"{when}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tmp_path / "tree", out], check=True,
                       stdout=subprocess.DEVNULL)
        return out

    return build


def test_a_package_is_known_by_its_contents(deb, write):
    one, again, other = (disk_image._contents(deb(text, when)) for text, when in
                         (("a", 1000000), ("a", 2000000), ("b", 3000000)))
    assert b"Package: p" in one
    assert one == again != other
    with pytest.raises(Failure, match="is no Debian package"):
        disk_image._contents(write("x.deb", "nothing"))


def test_a_package_that_breaks(deb, tmp_path, write):
    write("tree/usr/src/m-1.2/dkms.conf", "PACKAGE_NAME=m\nPACKAGE_VERSION=\"1.2\"\n")
    write("tree/usr/src/m-1.2/Kbuild", "obj-m := m.o\n")
    write("tree/DEBIAN/postinst", "#!/bin/sh\ndkms install m/1.2 --force # not 11.2 or 1.2.3\n")
    broken = debguest_package.broken(deb("a", 1000000), tmp_path, tmp_path / "log")
    out = tmp_path / "out"
    subprocess.run(["dpkg-deb", "-R", broken, out], check=True)
    assert 'PACKAGE_VERSION="1.2.99"' in (out / "usr/src/m-1.2.99/dkms.conf").read_text()
    assert (out / "usr/src/m-1.2.99/Kbuild").read_text() == "$(error this build fails on purpose)\nobj-m := m.o\n"
    assert "dkms install m/1.2.99 --force # not 11.2 or 1.2.3" in (out / "DEBIAN/postinst").read_text()


def test_another_package_does_not_break(deb, tmp_path):
    with pytest.raises(Failure, match="0 dkms.conf"):
        debguest_package.broken(deb("a", 1000000), tmp_path, tmp_path / "log")
