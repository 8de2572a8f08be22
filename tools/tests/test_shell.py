# SPDX-License-Identifier: GPL-2.0
"""Tests of harness.shell."""

from pathlib import Path

from harness.guest import shell, spec
from harness.guest.qemu import CommandLine


def test_gdb_gets_a_socket_and_a_kernel_at_its_own_address(tmp_path):
    wanted = spec.parse('{"qemu":["-S"],"cmdline":"quiet"}')
    shell.debugged(wanted)
    line = CommandLine(wanted, tmp_path, tmp_path / "s", "tcg", tmp_path / "log")
    line.kernel(Path("bzImage"), Path("initramfs"))
    argv = line.finish()
    assert argv[-3:] == ["-S", "-gdb", f"unix:{tmp_path}/s/gdb,server=on,wait=off"]
    assert " nokaslr quiet" in argv[argv.index("-append") + 1]
