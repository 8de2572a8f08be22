# SPDX-License-Identifier: GPL-2.0
"""Tests of rvt.shell."""

import tempfile
import unittest
from pathlib import Path

from rvt import shell, spec
from rvt.qemu import CommandLine


class GdbTest(unittest.TestCase):

    def test_gdb_gets_a_socket_and_a_kernel_at_its_own_address(self):
        wanted = spec.parse('{"qemu":["-S"],"cmdline":"quiet"}')
        shell.debugged(wanted)
        top = Path(self.enterContext(tempfile.TemporaryDirectory(prefix="rvt-shell-")))
        line = CommandLine(wanted, top, top / "s", "tcg", top / "log")
        line.kernel(Path("bzImage"), Path("initramfs"))
        argv = line.finish()
        self.assertEqual(argv[-3:], ["-S", "-gdb", f"unix:{top}/s/gdb,server=on,wait=off"])
        self.assertIn(" nokaslr quiet", argv[argv.index("-append") + 1])


if __name__ == "__main__":
    unittest.main()
