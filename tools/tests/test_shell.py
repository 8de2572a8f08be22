# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/guest/shell.py."""

import unittest
from pathlib import Path

from harness.guest import shell, spec
from harness.guest.qemu import CommandLine


class GdbTest(unittest.TestCase):

    def test_gdb_gets_a_socket_and_a_kernel_at_its_own_address(self):
        wanted = spec.parse('{"qemu":["-S"],"cmdline":"quiet"}')
        shell.debugged(wanted)
        line = CommandLine(wanted, self.top, self.top / "s", "tcg", self.top / "log")
        line.kernel(Path("bzImage"), Path("initramfs"))
        argv = line.finish()
        assert argv[-3:] == ["-S", "-gdb", f"unix:{self.top}/s/gdb,server=on,wait=off"]
        assert " nokaslr quiet" in argv[argv.index("-append") + 1]
