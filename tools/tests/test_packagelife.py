# SPDX-License-Identifier: GPL-2.0
"""Tests of what surrounds the life of the package: its result, and that the root goes."""

import os
import re
import subprocess
import unittest
from pathlib import Path
from unittest import mock

from harness.host import debroot
from harness.package import deb, life
from harness.paths import REPO
from harness.say import Failure


class Life(unittest.TestCase):
    """A life without a root."""

    def setUp(self):
        self.log = Path(self.top, "log")
        self.removed = []
        self.commands = []
        for patch in (mock.patch.dict("os.environ", RUST_VIRTIO_CACHE=str(self.top)),
                      mock.patch.object(deb, "build", self._build),
                      mock.patch.object(life, "_SPACE_GB", 0),
                      mock.patch.object(debroot.Root, "copy", lambda *_: None),
                      mock.patch.object(debroot.Root, "remove", lambda place, _: self.removed.append(place))):
            self.enter(patch)

    @staticmethod
    def _build(_log, version, place):
        place.mkdir()
        (place / f"p_{version}.deb").touch()
        return place / f"p_{version}.deb"

    def run_life(self, text, status=0):
        """Has the script print a text."""
        def run(_root, argv, log, *_):
            self.commands.append(argv)
            with open(log, "a", encoding="utf-8") as file:
                file.write(text)
            if status:
                raise Failure(f"in-root.sh failed (status {status})")
        with mock.patch.object(debroot.Root, "run", run):
            life.run(self.log)

    def test_older_package_goes_first(self):
        self.run_life("ok 1 - a\n1..1\n")
        assert self.commands == [["nice", "sh", "/test/in-root.sh", "/test/0~test1/p_0~test1.deb",
            "/test/0~test2/p_0~test2.deb"]]

    def test_failed_tests_are_named_and_the_root_goes(self):
        self.log.write_text("not ok 9 - of an earlier run\n")
        with self.assertRaises(Failure) as caught:
            self.run_life("ok 1 - a\nnot ok 2 - b\n# reason\n1..2\n", 1)
        assert "not ok 2 - b" in str(caught.exception)
        assert "earlier" not in str(caught.exception)
        assert len(self.removed) == 1

    def test_script_that_breaks_off_is_a_failure(self):
        with self.assertRaises(Failure) as caught:
            self.run_life("ok 1 - a\n", 2)
        assert "status 2" in str(caught.exception)


class Configuration(unittest.TestCase):
    """The script that dpkg runs after the files of the package are there."""

    def configure(self, snippet):
        """Runs it with a text in the place of what debhelper puts in; returns status, output and calls of
        the tool."""
        tool = Path(self.top, "rust-virtio")
        tool.write_text(f"#!/bin/sh\necho \"$*\" >>{self.top}/calls\n")
        tool.chmod(0o755)
        Path(self.top, "calls").write_text("")
        script = (REPO / "packaging/debian/rust-virtio-dkms.postinst").read_text()
        # Nothing of the machine that runs the test.
        script = re.sub(r"(?<![\w/])/(var/lib|lib/modules|etc/kernel)", rf"{self.top}/\1", script)
        done = subprocess.run(["sh", "-s", "configure", "0.1"], text=True, capture_output=True, check=False,
                              input=script.replace("#DEBHELPER#", snippet),
                              env={"PATH": f"{self.top}:{os.environ['PATH']}"})
        return done.returncode, done.stderr, Path(self.top, "calls").read_text().splitlines()

    def test_a_build_that_fails_is_a_warning(self):
        for snippet in ("case $1 in configure) sh -c 'exit 10'; echo after >&2 ;; esac", "exit 10"):
            status, text, calls = self.configure(snippet)
            assert (status, calls) == (0, ["conflicts", "refresh"]), text
            self.assertRegex(text, r"^rust-virtio: WARNING: modules were not built \(status 10; .*doctor")

    def test_a_build_that_succeeds_is_none(self):
        assert self.configure("true") == (0, "", ["conflicts", "refresh"])


class Rights(unittest.TestCase):
    """What an ordinary user is told who cannot make a root."""

    def check(self, missing=()):
        """Returns the message, "" if there is none."""
        with mock.patch("os.geteuid", lambda: 0x7ffffff0), \
                mock.patch.object(deb.pwd, "getpwuid", lambda _: mock.Mock(pw_name="no-such-user")), \
                mock.patch.object(deb.shutil, "which", lambda name: None if name in missing else name):
            try:
                deb._check_root()
            except Failure as failure:
                return str(failure)
        return ""

    def test_missing_programs(self):
        assert "sudo apt install mmdebstrap uidmap" in self.check(["mmdebstrap", "newuidmap"])

    def test_missing_range_of_ids(self):
        assert "usermod --add-subuids 100000-165535 no-such-user" in self.check()
