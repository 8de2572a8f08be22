# SPDX-License-Identifier: GPL-2.0
"""Tests what the story of the package is made of, without booting anything."""

import os
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from io import BytesIO
from pathlib import Path

from harness.package import broken, disk_image, guest, story
from harness.package.story import CHAPTERS, compare, selection
from harness.paths import GUEST_SCRIPTS
from harness.say import Failure
from harness.suites import selftest


class Chapters(unittest.TestCase):
    """The order of the chapters, and what they name."""

    def test_each_comes_after_one_before_it(self):
        seen = {}
        for chapter in CHAPTERS:
            with self.subTest(chapter.name):
                assert bool(chapter.image) != bool(chapter.after)
                assert chapter.image in ("", "fresh", "installed")
                if chapter.after:
                    assert chapter.after in seen
                for other in chapter.like:
                    assert other in seen
            seen[chapter.name] = chapter

    def test_scripts_are_there(self):
        for chapter in CHAPTERS:
            for step in chapter.steps:
                with self.subTest(step):
                    assert (GUEST_SCRIPTS / f"stock-{step.split()[0]}").is_file()

    def test_selftests_are_there(self):
        for name in story.SELFTESTS:
            with self.subTest(name):
                assert selftest.scripts(name) == [name]

    def test_selection_takes_what_comes_before(self):
        names = [chapter.name for chapter in selection("disabled")]
        assert names[0] == "installed"
        assert names[-1] == "disabled"
        assert "fresh" not in names

    def test_selection_takes_all_without_a_pattern(self):
        assert selection("") == CHAPTERS

    def test_selection_knows_its_chapters(self):
        with self.assertRaisesRegex(Failure, "no chapter matches \"nosuch\".*enabled"):
            selection("nosuch")


class Comparison(unittest.TestCase):
    """What a chapter may leave behind."""

    BEFORE = ["etc 1234 /etc/fstab", "etc 9 /etc/ld.so.cache", "initramfs usr/lib/a.ko"]

    def test_same(self):
        test = compare("s", "other", ["etc", "initramfs"], self.BEFORE, list(reversed(self.BEFORE)))
        assert test.result == "pass"

    def test_file_that_is_left(self):
        now = [*self.BEFORE, "etc 5 /etc/modprobe.d/rust.conf"]
        test = compare("s", "other", ["etc"], self.BEFORE, now)
        assert (test.result, test.reason) == ("fail", "+ etc 5 /etc/modprobe.d/rust.conf")

    def test_file_that_is_gone(self):
        test = compare("s", "other", ["etc"], self.BEFORE, self.BEFORE[1:])
        assert (test.result, test.reason) == ("fail", "- etc 1234 /etc/fstab")

    def test_changed_file(self):
        test = compare("s", "other", ["etc"], self.BEFORE, ["etc 4321 /etc/fstab"])
        assert test.result == "fail"

    def test_other_kinds_do_not_count(self):
        now = [line for line in self.BEFORE if line.startswith("etc")]
        assert compare("s", "o", ["etc"], self.BEFORE, now).result == "pass"
        assert compare("s", "o", ["initramfs"], self.BEFORE, now).result == "fail"

    def test_what_the_system_writes_does_not_count(self):
        now = [line.replace("9 /etc/ld", "8 /etc/ld") for line in self.BEFORE]
        assert compare("s", "o", ["etc"], self.BEFORE, now).result == "pass"

    def test_the_blacklist_of_the_package_does_not_count_in_the_initramfs(self):
        for name, result in (("usr/lib/modprobe.d/rust-virtio-dkms.conf", "pass"),
                             ("etc/modprobe.d/rust-virtio-enabled.conf", "fail"),
                             ("usr/lib/rust-virtio/load", "fail")):
            with self.subTest(name):
                now = [*self.BEFORE, f"initramfs {name}"]
                assert compare("s", "o", ["initramfs"], self.BEFORE, now).result == result

    def test_nothing_to_compare_is_no_success(self):
        assert compare("s", "o", ["etc"], [], []).result == "fail"
        assert compare("s", "o", ["etc"], None, self.BEFORE).result == "skip"


class Releases(unittest.TestCase):
    """Which kernel is the newest."""

    def test_numbers_count_by_value(self):
        names = ["7.3.10+deb13-amd64", "6.12.118+deb13-cloud-amd64", "7.3.4+deb13-amd64"]
        assert sorted(names, key=guest.sort_key) == ["6.12.118+deb13-cloud-amd64", "7.3.4+deb13-amd64",
            "7.3.10+deb13-amd64"]


@unittest.skipUnless(shutil.which("mke2fs", path=os.environ["PATH"] + ":/usr/sbin:/sbin"), "no mke2fs")
class FileSystem(unittest.TestCase):
    """What the host sees of a disk."""

    def setUp(self):
        os.environ["PATH"] += ":/usr/sbin:/sbin"
        boot = self.top / "root" / "boot"
        boot.mkdir(parents=True)
        for release in ("7.3.10+deb13-amd64", "7.3.4+deb13-amd64"):
            (boot / f"vmlinuz-{release}").write_bytes(b"kernel " + release.encode())
        (boot / "initrd.img-7.3.4+deb13-amd64").touch()
        image = self.top / "disk"
        subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(self.top / "root"), str(image), "8M"],
                       check=True, stdout=subprocess.DEVNULL)
        self.disk = guest.Disk(image, self.top / "log")

    def test_kernels(self):
        assert self.disk.kernels() == ["7.3.4+deb13-amd64", "7.3.10+deb13-amd64"]

    def test_take(self):
        taken = self.disk.take("/boot/vmlinuz-7.3.4+deb13-amd64", self.top / "taken")
        assert taken.read_bytes() == b"kernel 7.3.4+deb13-amd64"

    def test_take_what_is_not_there_or_empty(self):
        for name in ("initrd.img-7.3.10+deb13-amd64", "initrd.img-7.3.4+deb13-amd64"):
            with self.subTest(name), self.assertRaisesRegex(Failure, f"has no /boot/{name[:9]}"):
                self.disk.take(f"/boot/{name}", self.top / "taken")

    def test_clean(self):
        assert self.disk.is_clean()
        assert self.disk.check() == ""
        subprocess.run(["debugfs", "-w", "-R", "set_super_value state 0", str(self.disk.path)],
                       check=True, stderr=subprocess.DEVNULL)
        assert not self.disk.is_clean()


class Job(unittest.TestCase):
    """What is handed to a guest."""

    def test_job(self):
        packed = guest._job({"steps": b"a true\n"}, {}, {"HARNESS_A": "it's"})
        with tarfile.open(fileobj=BytesIO(packed)) as tar:
            names = tar.getnames()
            assert tar.extractfile("job/steps").read() == b"a true\n"
            assert b"export HARNESS_A='it'\"'\"'s'\n" in tar.extractfile("env").read()
        for name in ("stock.sh", "steps.sh", "selftests/lib/tap.sh", "selftests/stock/state.sh",
                     "selftests/net/filter.sh"):
            assert name in names


@unittest.skipUnless(shutil.which("dpkg-deb"), "no dpkg-deb")
class Package(unittest.TestCase):
    """By what a disk with the package is known."""

    def _deb(self, top: Path, text: str, when: int) -> Path:
        tree = top / "tree"
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        (tree / "DEBIAN" / "control").write_text(
            "Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m <m@m>\nDescription: d\n")
        (tree / "file").write_text(text)
        for path in (tree / "file", tree / "DEBIAN" / "control", tree / "DEBIAN", tree):
            os.utime(path, (when, when))
        out = top / f"{when}.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(tree), str(out)], check=True,
                       stdout=subprocess.DEVNULL)
        return out

    def test_contents(self):
        top = self.top
        one = disk_image._contents(self._deb(top, "a", 1000000))
        again = disk_image._contents(self._deb(top, "a", 2000000))
        other = disk_image._contents(self._deb(top, "b", 3000000))
        assert b"Package: p" in one
        assert one == again
        assert one != other

    def test_no_package(self):
        with tempfile.NamedTemporaryFile(suffix=".deb") as file:
            file.write(b"nothing")
            file.flush()
            with self.assertRaisesRegex(Failure, "is no Debian package"):
                disk_image._contents(Path(file.name))

    def test_broken(self):
        top = self.top
        source = top / "tree" / "usr" / "src" / "m-1.2"
        source.mkdir(parents=True)
        (source / "dkms.conf").write_text("PACKAGE_NAME=m\nPACKAGE_VERSION=\"1.2\"\n")
        (source / "Kbuild").write_text("obj-m := m.o\n")
        (top / "tree" / "DEBIAN").mkdir()
        postinst = top / "tree" / "DEBIAN" / "postinst"
        postinst.write_text("#!/bin/sh\ndkms install m/1.2 --force # not 11.2 or 1.2.3\n")
        postinst.chmod(0o755)
        out = broken.broken(self._deb(top, "a", 1000000), top, top / "log")
        shown = subprocess.run(["dpkg-deb", "-R", str(out), str(top / "out")], check=True)
        assert shown.returncode == 0
        later = top / "out" / "usr" / "src" / "m-1.2.99"
        assert 'PACKAGE_VERSION="1.2.99"' in (later / "dkms.conf").read_text()
        assert (later / "Kbuild").read_text() == "$(error this build fails on purpose)\nobj-m := m.o\n"
        assert "dkms install m/1.2.99 --force # not 11.2 or 1.2.3" in (
            top / "out" / "DEBIAN" / "postinst").read_text()

    def test_broken_from_another_package(self):
        with self.assertRaisesRegex(Failure, "0 dkms.conf"):
            broken.broken(self._deb(self.top, "a", 1000000), self.top, self.top / "log")
