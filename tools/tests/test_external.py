# SPDX-License-Identifier: GPL-2.0
"""Kbuild.external: kernels that the modules cannot be built for are refused with what to do; and what
Kbuild makes of the version of a package."""

import subprocess
import unittest
from pathlib import Path

from harness.paths import REPO

#: Kbuild.external as a kernel's Makefile.build would read it, with what that sets.
_MAKEFILE = """
include {repo}/Kbuild.external
symbols: a.o b.o; $(cmd_rv_symbols)
modules: ; @echo $(sort $(foreach m,VRING VIRTIO_RING VIRTQUEUE VIRTIO_NET VIRTIO_BLK \\
	VIRTIO_KUNIT_TEST,$(if $(CONFIG_RUST_$(m)),$(m)))) $(always-y)
"""

_RUSTC = "rustc 1.85.1 (4eb161250 2025-03-15)"

#: A fake of nm: undefined symbols of a.o and b.o, or what b.o defines.
_NM = """#!/bin/sh
printf '\\na.o:\\n                 U _RNvCs1_6kernel5print\\n                 U _RNvCs1_5vring3add\\n'
printf '                 U printk\\n\\nb.o:\\n0000000000000000 T _RNvCs1_5vring3add\\n'
"""


class External(unittest.TestCase):

    def setUp(self):
        (self.top / "rust").mkdir()
        (self.top / "rust/libkernel.rmeta").touch()
        (self.top / "Module.symvers").write_text(
            "0x00000000\t_RNvCs1_6kernel5print\tvmlinux\tEXPORT_SYMBOL_GPL\t\n"
            "0x00000000\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n")
        for name, text in (("rustc", f"#!/bin/sh\necho '{_RUSTC}'\n"), ("nm", _NM)):
            (self.top / name).write_text(text)
            (self.top / name).chmod(0o755)
        for name in ("a.o", "b.o"):
            (self.top / name).touch()
        (self.top / "Makefile").write_text(_MAKEFILE.format(repo=REPO))
        self.config = {"VERSION": "7", "PATCHLEVEL": "3", "KERNELRELEASE": "7.3.4-test",
                       "CONFIG_CC_VERSION_TEXT": "\"gcc 14\"", "CONFIG_RUST": "y",
                       "CONFIG_VIRTIO": "m", "CONFIG_KUNIT": "y", "objtree": ".", "obj": ".",
                       "CONFIG_RUSTC_VERSION_TEXT": f"\"{_RUSTC}\"",
                       "RUSTC": str(self.top / "rustc"), "NM": str(self.top / "nm")}

    def make(self, target: str = "modules", **changes: str) -> tuple:
        """Returns the status of make, and what it prints."""
        config = self.config | changes
        done = subprocess.run(["make", "-s", "-C", self.top,
                               *(f"{name}={value}" for name, value in config.items()), target],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def refused(self, *words: str, **changes: str) -> None:
        """Checks that make ends with one line about the fault, which has all of `words`."""
        status, text = self.make(**changes)
        assert status == 2, text
        said = [line for line in text.splitlines() if "rust-virtio:" in line]
        assert len(said) == 1, text
        for word in words:
            assert word in said[0]

    def test_a_kernel_that_fits_gets_all_modules(self):
        assert self.make() == (0, "VIRTIO_BLK VIRTIO_NET VIRTIO_RING VIRTQUEUE VRING " "rust_symbols.checked\n")

    def test_the_ring_is_left_out_where_the_one_in_c_is_built_in(self):
        status, text = self.make(CONFIG_VIRTIO="y")
        assert status == 0, text
        assert "rust_virtio_ring is left out: Linux 7.3.4-test has the ring in C built in" in text
        assert "\nVIRTIO_BLK VIRTIO_NET VIRTQUEUE VRING rust" in text

    def test_too_old(self):
        self.refused("7.2.9 is too old", "7.3", PATCHLEVEL="2", KERNELRELEASE="7.2.9")
        self.refused("6.12.0 is too old", VERSION="6", PATCHLEVEL="12", KERNELRELEASE="6.12.0")

    def test_newer_ones_are_taken(self):
        for version, patchlevel in (("7", "4"), ("8", "0"), ("10", "1")):
            assert self.make(VERSION=version, PATCHLEVEL=patchlevel)[0] == 0

    def test_without_rust(self):
        self.refused("CONFIG_RUST=y", CONFIG_RUST="")

    def test_suites_for_a_kernel_without_kunit(self):
        self.refused("CONFIG_KUNIT=y", KUNIT="1", CONFIG_KUNIT="")
        assert "KUNIT_TEST" in self.make(KUNIT="1")[1]

    def test_without_metadata(self):
        (self.top / "rust/libkernel.rmeta").unlink()
        self.refused("rust/libkernel.rmeta", "packaging/README.md")

    def test_another_rustc(self):
        self.refused("RUSTC=", "1.85.1", "1.90.0",
                     CONFIG_RUSTC_VERSION_TEXT="\"rustc 1.90.0 (abc 2026-01-01)\"")

    def test_no_rustc(self):
        self.refused("not there", RUSTC="/none/rustc")

    def test_clean_needs_no_kernel(self):
        status, text = self.make(CONFIG_CC_VERSION_TEXT="", CONFIG_RUST="", VERSION="",
                                 PATCHLEVEL="")
        assert status == 0, text

    def test_symbols_that_the_kernel_has(self):
        assert self.make("symbols") == (0, "")

    def test_symbols_of_a_kernel_that_lists_none_are_not_compared_and_one_line_says_so(self):
        (self.top / "Module.symvers").unlink()
        status, text = self.make()
        assert status == 0, text
        assert text.splitlines() == ["rust-virtio: the names of Rust symbols are not compared: "
            f"{self.top.resolve()} has no Module.symvers", "VIRTIO_BLK VIRTIO_NET VIRTIO_RING VIRTQUEUE VRING"]

    def test_symbols_that_cannot_be_read(self):
        for text in ("exit 1", "printf '\\na.o:\\n                 U printk\\n'"):
            with self.subTest(text):
                (self.top / "nm").write_text(f"#!/bin/sh\n{text}\n")
                assert self.make("symbols")[0] == 2
                assert not (self.top / "symbols").exists()

    def test_crates_of_another_kernel(self):
        (self.top / "Module.symvers").write_text(
            "0x00000000\t_RNvCs2_6kernel5print\tvmlinux\tEXPORT_SYMBOL_GPL\t\n")
        status, text = self.make("symbols")
        assert status == 2, text
        assert "does not export 1 Rust symbols" in text
        assert "\t_RNvCs1_6kernel5print\n" in text
        assert "vring" not in text
        assert "not those of this kernel" in text


#: Kbuild as a kernel's Makefile.build would read it, and the flags of some crates.
_FLAGS = """
obj := .
src := {repo}
CONFIG_RUST_VRING := m
CONFIG_RUST_VIRTQUEUE := m
CONFIG_RUST_VIRTIO_BLK := m
include {repo}/Kbuild
crates := virtqueue/vring/vring virtqueue/virtio abstractions/blockdev/blockdev blk/buffers/blk_buffers \
	blk/virtio_blk
flags: ; @$(foreach o,$(crates),echo '$(RUSTFLAGS_$(o).o)';)
.PHONY: FORCE
"""


class Version(unittest.TestCase):
    """Modules of two versions of a package do not link to each other."""

    def flags(self, *variables: str) -> list:
        """Returns the flags of the crates: two whose symbols other modules use, and three of one module."""
        Path(self.top, "Makefile").write_text(_FLAGS.format(repo=REPO))
        done = subprocess.run(["make", "-s", "-C", self.top, *variables, "flags"],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def test_symbols_that_other_modules_use_have_the_version(self):
        lines = self.flags("RUST_VIRTIO_VERSION=0.1.0~git1")
        assert [("-C metadata=0.1.0~git1 " in line + " ", "--extern" in line) for line in lines] == [(True, False),
            (True, True), (False, False), (False, True), (False, True)]

    def test_a_build_by_hand_has_none(self):
        assert "-C metadata" not in "".join(self.flags())
