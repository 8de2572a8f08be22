# SPDX-License-Identifier: GPL-2.0
"""Tests of what goes into a guest's initramfs."""

import shutil
import subprocess

import pytest

from harness.guest import initramfs
from harness.guest.cpio import Cpio
from harness.say import Failure


@pytest.mark.skipif(not shutil.which("cpio"), reason="cpio is not installed")
def test_a_program_runs_with_its_own_libraries(tmp_path):
    cpio = Cpio()
    initramfs._add_program(cpio, "sort")
    cpio.write(tmp_path / "archive")
    with open(tmp_path / "archive", "rb") as archive:
        subprocess.run(["cpio", "-idm", "--quiet"], stdin=archive, cwd=tmp_path, check=True)
    script = tmp_path / "harness/programs/sort"
    script.write_text(script.read_text().replace("/run/harness", str(tmp_path / "harness")))
    done = subprocess.run(["sh", script, "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "sort" in done.stdout
    libraries = {path.name for path in (tmp_path / "harness/programs/lib").iterdir()}
    assert any(name.startswith("libc.so") for name in libraries), libraries


def test_a_program_that_is_not_there_is_named():
    with pytest.raises(Failure, match="no-such-program is not installed"):
        initramfs._add_program(Cpio(), "no-such-program")
