# SPDX-License-Identifier: GPL-2.0
"""Set-up on machines and with caches that are not as they should be."""

import os
import subprocess
import sys
import unittest
from pathlib import Path
from unittest import mock

from harness.build import source
from harness.host import debian, needs, setup, toolchain
from harness.paths import BUILT, REPO
from harness.say import Failure


def _fails(test: unittest.TestCase, text: str, function, *arguments) -> None:
    """Checks that a function fails with a message that matches."""
    with test.assertRaisesRegex(Failure, text):
        function(*arguments)


class Machine(unittest.TestCase):

    def test_other_processors_are_refused(self):
        with mock.patch("platform.machine", return_value="aarch64"):
            _fails(self, "this machine is Linux on aarch64", needs.check_machine)

    def test_packages_for_another_processor_are_refused(self):
        with mock.patch("platform.machine", return_value="x86_64"), \
                mock.patch.object(needs, "output", return_value="i386\n"):
            _fails(self, "packages of this machine are i386", needs.check_machine)

    def test_a_machine_without_dpkg_is_taken(self):
        with mock.patch("platform.machine", return_value="x86_64"), \
                mock.patch.object(needs, "output", return_value=""):
            needs.check_machine()


class Space(unittest.TestCase):

    def setUp(self):
        self.enter(mock.patch.object(needs, "cache", return_value=self.top / "cache"))

    def test_a_file_in_the_place_of_the_cache_is_said(self):
        (self.top / "cache").write_text("")
        _fails(self, "cache: File exists .*RUST_VIRTIO_CACHE=", needs.check_space)

    def test_a_full_disk_is_said(self):
        with mock.patch("shutil.disk_usage") as usage:
            usage.return_value.free = 3 << 30
            _fails(self, "3 GB free, 15 GB needed", needs.check_space)
            built = self.top / "cache" / "build" / "k"
            built.mkdir(parents=True)
            (built / BUILT).touch()
            _fails(self, "3 GB free, 4 GB needed", needs.check_space)

    def test_a_part_of_the_cache_that_is_of_another_user_is_said(self):
        (self.top / "cache" / "build").mkdir(parents=True)

        def access(path, _mode):
            return Path(path).name != "build"

        with mock.patch("os.access", access), mock.patch("os.geteuid", return_value=12345):
            _fails(self, "build cannot be written: it is of user .*chown -R 12345 ", needs.check_space)


class Bindgen(unittest.TestCase):
    """A cache with a bindgen of another time or machine, and one in PATH."""

    def setUp(self):
        self.cached, self.own = self.top / "tools/bin/bindgen", self.top / "bin/bindgen"
        for patch in (mock.patch.object(toolchain, "cache", return_value=self.top),
                      mock.patch.dict(os.environ, {"PATH": f"{self.own.parent}:/usr/bin:/bin"})):
            self.enter(patch)
        os.environ.pop("BINDGEN", None)

    @staticmethod
    def put(path: Path, content: bytes) -> None:
        """Makes a program."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755)

    def test_one_that_cannot_be_used_is_as_good_as_none(self):
        # A program of another machine, one that was cut off, an old one, one that lacks its library.
        for content in (b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xf3\0" + bytes(44), b"",
                        b"#!/bin/sh\necho bindgen 0.60.1\n", b"#!/bin/sh\nexit 127\n",
                        b"#!/nonexistent/sh\n"):
            with self.subTest(content):
                self.put(self.cached, content)
                self.own.unlink(missing_ok=True)
                assert toolchain.bindgen()[0] == ""
                self.put(self.own, b"#!/bin/sh\necho bindgen 0.71.1\n")
                assert toolchain.bindgen() == (str(self.own), "bindgen 0.71.1")


class Sudo(unittest.TestCase):

    def _asked(self, *statuses):
        done = [mock.Mock(returncode=status, stderr="sudo: no\n") for status in statuses]
        return mock.patch.object(setup.subprocess, "run", side_effect=done)

    def setUp(self):
        for patch in (mock.patch("os.geteuid", return_value=1000),
                      mock.patch("shutil.which", return_value="/usr/bin/sudo")):
            self.enter(patch)

    def test_is_used_if_it_asks_nothing(self):
        with self._asked(0):
            assert setup._as_root() == ["sudo"]

    def test_that_asks_is_refused_without_a_terminal(self):
        with self._asked(1), mock.patch("os.isatty", return_value=False):
            _fails(self, r"without a terminal \(sudo: no\)", setup._as_root)

    def test_that_asks_is_asked_on_a_terminal(self):
        with self._asked(1, 0), mock.patch("os.isatty", return_value=True):
            assert setup._as_root() == ["sudo"]

    def test_that_refuses_is_said(self):
        with self._asked(1, 1), mock.patch("os.isatty", return_value=True):
            _fails(self, "sudo refused", setup._as_root)

    def test_that_is_not_there_is_said(self):
        with mock.patch("shutil.which", return_value=None):
            _fails(self, "or install sudo", setup._as_root)

    def test_is_given_the_proxies_by_name(self):
        apt = debian.Apt.__new__(debian.Apt)
        apt.conf = Path("/c/apt.conf")
        with mock.patch.dict(os.environ, {"http_proxy": "http://p:1", "https_proxy": ""}):
            command = apt.command()
        assert command[0] == "env"
        assert "http_proxy=http://p:1" in command
        assert not [word for word in command if word.startswith("https_proxy")]


@unittest.skipUnless(Path("/usr/bin/dpkg-deb").exists(), "there is no dpkg-deb")
class Download(unittest.TestCase):

    def _package(self) -> Path:
        tree = self.top / "tree"
        (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN" / "control").write_text(
            "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: m <m@example.org>\n"
            "Description: x\n")
        (tree / "data").write_bytes(os.urandom(100000))
        deb = self.top / "x_1_all.deb"
        subprocess.run(["dpkg-deb", "--build", tree, deb], check=True, capture_output=True)
        return deb

    def test_a_package_that_came_in_part_is_not_whole(self):
        deb = self._package()
        assert source._is_whole(deb)
        deb.write_bytes(deb.read_bytes()[:-50000])
        # Its head is there, and tells nothing.
        assert subprocess.run(["dpkg-deb", "--info", deb], check=False, capture_output=True).returncode == 0
        assert not source._is_whole(deb)

    def test_a_package_has_its_name_when_it_is_whole(self):
        apt = debian.Apt.__new__(debian.Apt)
        apt.conf = apt.log = self.top / "none"
        seen = []

        def fetch(_argv, _log, _what, cwd, env):
            seen.append(sorted(path.name for path in self.top.iterdir() if path.is_file()))
            (cwd / "x_1_all.deb").write_text("12345")

        with mock.patch.object(debian, "run", fetch), \
                mock.patch.object(debian, "output", return_value="'http://m/x' x_1_all.deb 5 SHA256:0\n"):
            assert apt.download("x", self.top) == self.top / "x_1_all.deb"
            assert apt.download("x", self.top) == self.top / "x_1_all.deb"
            assert seen == [[]], "what is whole is not fetched again"
            (self.top / "x_1_all.deb").write_text("123")
            apt.download("x", self.top)
        assert (self.top / "x_1_all.deb").read_text() == "12345"


class Python(unittest.TestCase):

    def _run(self, path: str, *arguments: str):
        return subprocess.run(["/bin/sh", REPO / "tools/host/python.sh", *arguments], check=False,
                              env={"PATH": path}, capture_output=True, text=True)

    def test_that_is_there_is_taken_in_silence(self):
        done = self._run(os.environ["PATH"], sys.executable)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_that_was_named_is_not_installed(self):
        done = self._run(os.environ["PATH"], "/nowhere/python9")
        assert done.returncode == 1
        self.assertRegex(done.stderr, "^error: /nowhere/python9 is not installed.*PYTHON= names it")

    def test_that_is_missing_elsewhere_is_asked_for(self):
        done = self._run("/nonexistent", "python3")
        assert done.returncode == 1
        self.assertRegex(done.stderr, "^error: python3 is not installed.*install Python")
