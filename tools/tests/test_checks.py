# SPDX-License-Identifier: GPL-2.0
"""Tests that what the user gives is checked, and that errors name what is wrong."""

import unittest
from pathlib import Path
from unittest import mock

from harness.build import kconfig, kernel, modules, source
from harness.guest import spec
from harness.host import toolchain
from harness.report import parity
from harness.say import Failure


class Kernel(unittest.TestCase):
    """KDIR= and KSRC=."""

    def kdir(self, release: str, config: str) -> str:
        """Makes what looks like the directory of a built kernel."""
        (self.top / "include/config").mkdir(parents=True)
        (self.top / "include/config/kernel.release").write_text(release + "\n")
        (self.top / ".config").write_text(config)
        (self.top / "Module.symvers").touch()
        return str(self.top)

    def refused(self, check, argument: str, text: str) -> None:
        """Checks that an argument is refused with an error that says why."""
        with self.assertRaisesRegex(Failure, text):
            check(argument)

    def test_kdir(self):
        good = "".join(f"CONFIG_{symbol}=y\n" for symbol in kconfig.FOR_MODULES)
        self.refused(kernel.check, str(self.top / "none"), "no such directory")
        self.refused(kernel.check, str(self.top), "not the directory of a built kernel")
        path = self.kdir("7.2.9", good)
        self.refused(kernel.check, path, "7.2.9 is older than 7.3.*KERNEL=debian")
        release = self.top / "include/config/kernel.release"
        release.write_text("7.3.4\n")
        self.refused(kernel.check, path, "no rust/libkernel.rmeta.*prepare-kdir")
        (self.top / "rust").mkdir()
        (self.top / "rust/libkernel.rmeta").touch()
        assert kernel.check(path) == self.top.resolve()
        (self.top / "Module.symvers").unlink()
        self.refused(kernel.check, path, "configured but not built")
        (self.top / ".config").write_text(good.replace("CONFIG_RUST=y", "# CONFIG_RUST is not set"))
        self.refused(kernel.check, path, "lacks CONFIG_RUST: configure")
        (self.top / ".config").write_text(good.replace("CONFIG_MODULES=y\n", ""))
        self.refused(kernel.check, path, "lacks CONFIG_MODULES: configure")

    def test_a_guest(self):
        good = "".join(f"CONFIG_{symbol}=y\n" for symbol in kconfig.FOR_GUESTS)
        path = Path(self.kdir("7.3.4-own-test", good))
        self.refused(kernel.check_guest, path, "no image of Linux 7.3.4-own-test is installed")
        (path / "arch/x86/boot").mkdir(parents=True)
        (path / "arch/x86/boot/bzImage").touch()
        kernel.check_guest(path)
        for symbol in kconfig.SIGNATURES:
            (path / ".config").write_text(f"{good}CONFIG_{symbol}=y\n")
            self.refused(kernel.check_guest, path, f"without a signature.*CONFIG_{symbol}=y.*sign-file")
        (path / ".config").write_text(good.replace("CONFIG_DEBUG_FS=y\n", ""))
        self.refused(kernel.check_guest, path, "a guest needs CONFIG_DEBUG_FS")

    def test_the_compiler_of_a_kernel(self):
        path = Path(self.kdir("7.3.4", 'CONFIG_RUSTC_VERSION_TEXT="rustc 1.80.0 (x)"\n'))
        tools = toolchain.Toolchain("/usr/bin/rustc", "", "", "", "rustc 1.85.1 (y)|clang|bindgen")
        with mock.patch.object(toolchain, "find", lambda: tools), \
                mock.patch.object(modules, "OUT", self.top), \
                mock.patch.object(modules, "log_dir", lambda: self.top):
            self.refused(modules.build, path, "rustc 1.80.0.*rustc 1.85.1.*set RUSTC=")
            with self.assertRaisesRegex(Failure, "CONFIG_KUNIT"):
                modules.build(path, kunit=True)

    def test_ksrc(self):
        self.refused(source.given, str(self.top / "none"), "no such directory")
        self.refused(source.given, str(self.top), "not a Linux source tree")
        (self.top / "Kconfig").touch()
        makefile = self.top / "Makefile"
        makefile.write_text("VERSION = 6\nPATCHLEVEL = 19\nSUBLEVEL = 0\nEXTRAVERSION =\n")
        self.refused(source.given, str(self.top), "6.19.0 is older than 7.3")
        makefile.write_text("VERSION = 7\nPATCHLEVEL = 4\nSUBLEVEL = 0\nEXTRAVERSION = -rc1\n")
        self.refused(source.given, str(self.top), "no rust/kernel")
        assert source.version(self.top) == "7.4.0-rc1"

    def test_symbols_that_were_refused_are_named(self):
        assert kconfig.unmet({"A": "y", "B": "n"}, {"A": "y", "B": "m", "C": "n"}) == ["CONFIG_B=m (is n)"]


class Description(unittest.TestCase):
    """Guest descriptions."""

    def test_wrong_key(self):
        with self.assertRaisesRegex(Failure, "Disk has no sise"):
            spec.parse('{"blk":[{"sise":"1G"}]}')

    def test_not_json(self):
        with self.assertRaisesRegex(Failure, "not JSON"):
            spec.parse("{")

    def test_equal_descriptions_have_equal_keys(self):
        assert spec.parse('{"net":[{}],"vcpus":2}').key() == spec.parse('{"vcpus":2,"net":[{"queues":1}]}').key()


class Parity(unittest.TestCase):
    """The tables of features and of violations."""

    def check(self, rows: str, titles: str = "| id | feature | state | test |\n|---|---|---|---|") -> list:
        """Returns what is wrong with a table of these rows, where a:b passed and c:d failed."""
        from harness.report.tap import Test
        table = self.top / "parity.md"
        table.write_text(f"## Net\n\n{titles}\n{rows}\n")
        with mock.patch.object(parity, "TABLES", (table,)), mock.patch.object(parity, "_print_counts"):
            return parity.check([Test("a", "b", "pass"), Test("c", "d", "fail")])

    def test_rows(self):
        assert self.check("| N1 | x | yes | `a:b` |\n| N2 | y | no | |") == []
        for row, wrong in (("| N1 | x | yes | |", "without a test"),
                           ("| N1 | x | maybe | a:b |", "is not one of"),
                           ("| N1 | x | yes | a:z |", "no test"),
                           ("| N1 | x | yes | a:b, c:d |", "did not pass"),
                           ("| N1 | x | no | |\n| N1 | y | no | |", "twice"), ("", "no rows")):
            with self.subTest(row):
                self.assertRegex("\n".join(self.check(row)), wrong)

    def test_a_table_with_more_columns(self):
        titles = "| id | violation | answer | state | test |\n|---|---|---|---|---|"
        assert self.check("| H1 | x | y | yes | `a:b` |\n| H2 | x | y | no | |", titles) == []
        self.assertRegex("\n".join(self.check("| H1 | x | y | yes | `a:z` |", titles)), "H1.*no test")
        self.assertRegex("\n".join(self.check("| H1 | x | y | yes | |", titles)), "without a test")

    def test_every_table_is_read(self):
        found = parity.rows()
        assert {"N1", "B1", "R1", "H001", "H146"} <= {row[1] for row in found}
