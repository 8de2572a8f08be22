# SPDX-License-Identifier: GPL-2.0
"""Tests of what goes into a guest's initramfs."""

import shutil
import subprocess
import unittest

from harness.guest import initramfs
from harness.guest.cpio import Cpio
from harness.say import Failure


class Programs(unittest.TestCase):
    """Programs of this machine."""

    @unittest.skipUnless(shutil.which("cpio"), "cpio is not installed")
    def test_a_program_runs_with_its_own_libraries(self):
        cpio = Cpio()
        initramfs._add_program(cpio, "sort")
        cpio.write(self.top / "archive")
        with open(self.top / "archive", "rb") as archive:
            subprocess.run(["cpio", "-idm", "--quiet"], stdin=archive, cwd=self.top, check=True)
        script = self.top / "harness/programs/sort"
        script.write_text(script.read_text().replace("/run/harness", str(self.top / "harness")))
        done = subprocess.run(["sh", script, "--version"], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        assert "sort" in done.stdout
        libraries = {path.name for path in (self.top / "harness/programs/lib").iterdir()}
        assert any(name.startswith("libc.so") for name in libraries), libraries

    def test_a_program_that_is_not_there_is_named(self):
        with self.assertRaisesRegex(Failure, "no-such-program is not installed"):
            initramfs._add_program(Cpio(), "no-such-program")
