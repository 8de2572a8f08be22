# SPDX-License-Identifier: GPL-2.0
"""Kbuild.external: kernels that the modules cannot be built for are refused with what to do; and what
Kbuild makes of the version of a package."""

import subprocess

import pytest

from harness.paths import REPO

#: Kbuild.external as a kernel's Makefile.build would read it, with what that sets.
_MAKEFILE = f"""
include {REPO}/Kbuild.external
symbols: a.o b.o; $(cmd_rv_symbols)
modules: ; @echo $(sort $(foreach m,VRING VIRTIO_RING VIRTQUEUE VIRTIO_NET VIRTIO_BLK \\
	VIRTIO_KUNIT_TEST,$(if $(CONFIG_RUST_$(m)),$(m)))) $(always-y)
"""

_RUSTC = "rustc 1.85.1 (4eb161250 2025-03-15)"

#: A fake of nm: undefined symbols of a.o and b.o, and what b.o defines.
_NM = """#!/bin/sh
printf '\\na.o:\\n                 U _RNvCs1_6kernel5print\\n                 U _RNvCs1_5vring3add\\n'
printf '                 U printk\\n\\nb.o:\\n0000000000000000 T _RNvCs1_5vring3add\\n'
"""

_FILES = {"rust/libkernel.rmeta": "", "a.o": "", "b.o": "", "Makefile": _MAKEFILE, "nm": _NM,
          "rustc": f"#!/bin/sh\necho '{_RUSTC}'\n",
          "Module.symvers": "0x00000000\t_RNvCs1_6kernel5print\tvmlinux\tEXPORT_SYMBOL_GPL\t\n"
                            "0x00000000\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n"}


@pytest.fixture
def make(tmp_path, write):
    """Returns a function that runs make, and returns its status and what it prints."""
    for name, text in _FILES.items():
        write(name, text)
    config = {"VERSION": "7", "PATCHLEVEL": "3", "KERNELRELEASE": "7.3.4-test", "CONFIG_CC_VERSION_TEXT": '"gcc 14"',
              "CONFIG_RUST": "y", "CONFIG_VIRTIO": "m", "CONFIG_KUNIT": "y", "objtree": ".", "obj": ".",
              "CONFIG_RUSTC_VERSION_TEXT": f'"{_RUSTC}"', "RUSTC": f"{tmp_path}/rustc", "NM": f"{tmp_path}/nm"}

    def run(target: str = "modules", **changes: str) -> tuple:
        done = subprocess.run(["make", "-s", "-C", tmp_path,
                               *(f"{name}={value}" for name, value in {**config, **changes}.items()), target],
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.mark.parametrize("changes, said", [
    ({}, "VIRTIO_BLK VIRTIO_NET VIRTIO_RING VIRTQUEUE VRING rust_symbols.checked\n"),
    ({"CONFIG_VIRTIO": "y"}, "rust_virtio_ring is left out: Linux 7.3.4-test has the C ring built in"),
    ({"CONFIG_VIRTIO": "y"}, "\nVIRTIO_BLK VIRTIO_NET VIRTQUEUE VRING rust"), ({"KUNIT": "1"}, "KUNIT_TEST"),
    *(({"VERSION": version, "PATCHLEVEL": level}, "") for version, level in (("7", "4"), ("8", "0"), ("10", "1"))),
    # As `make clean` sets it.
    ({"CONFIG_CC_VERSION_TEXT": "", "CONFIG_RUST": "", "VERSION": "", "PATCHLEVEL": ""}, "")])
def test_a_kernel_that_fits(make, changes, said):
    status, text = make(**changes)
    assert (status, said in text) == (0, True), text
    if not changes:
        assert text == said


@pytest.mark.parametrize("changes, words", [
    ({"PATCHLEVEL": "2", "KERNELRELEASE": "7.2.9"}, ["7.2.9 is too old", "7.3"]),
    ({"VERSION": "6", "PATCHLEVEL": "12", "KERNELRELEASE": "6.12.0"}, ["6.12.0 is too old"]),
    ({"CONFIG_RUST": ""}, ["CONFIG_RUST=y"]), ({"KUNIT": "1", "CONFIG_KUNIT": ""}, ["CONFIG_KUNIT=y"]),
    ({"CONFIG_RUSTC_VERSION_TEXT": '"rustc 1.90.0 (abc 2026-01-01)"'}, ["RUSTC=", "1.85.1", "1.90.0"]),
    ({"RUSTC": "/none/rustc"}, ["not there"]), (None, ["rust/libkernel.rmeta", "packaging/README.md"])])
def test_a_kernel_that_does_not_fit_is_refused_in_one_line(make, changes, words, tmp_path):
    if changes is None:
        (tmp_path / "rust/libkernel.rmeta").unlink()
    status, text = make(**changes or {})
    said = [line for line in text.splitlines() if "rust-virtio:" in line]
    assert (status, len(said)) == (2, 1), text
    assert [word for word in words if word not in said[0]] == []


def test_symbols_that_the_kernel_has(make):
    assert make("symbols") == (0, "")


def test_symbols_of_a_kernel_that_lists_none_are_not_compared_and_one_line_says_so(make, tmp_path):
    (tmp_path / "Module.symvers").unlink()
    status, text = make()
    assert (status, text.splitlines()) == (0, [
        f"rust-virtio: the names of Rust symbols are not compared: {tmp_path} has no Module.symvers",
        "VIRTIO_BLK VIRTIO_NET VIRTIO_RING VIRTQUEUE VRING"])


@pytest.mark.parametrize("script", ["exit 1", "printf '\\na.o:\\n                 U printk\\n'"])
def test_symbols_that_cannot_be_read(make, script, tmp_path, write):
    write("nm", f"#!/bin/sh\n{script}\n")
    assert make("symbols")[0] == 2
    assert not (tmp_path / "symbols").exists()


def test_crates_of_another_kernel(make, write):
    write("Module.symvers", "0x00000000\t_RNvCs2_6kernel5print\tvmlinux\tEXPORT_SYMBOL_GPL\t\n")
    status, text = make("symbols")
    assert status == 2, text
    for words in ("does not export 1 Rust symbols", "\t_RNvCs1_6kernel5print\n", "not those of this kernel"):
        assert words in text
    assert "vring" not in text


#: Kbuild as a kernel's Makefile.build would read it, and the flags of some crates: two whose symbols other modules
#: use, and three of one module.
_FLAGS = f"""
obj := .
src := {REPO}
CONFIG_RUST_VRING := m
CONFIG_RUST_VIRTQUEUE := m
CONFIG_RUST_VIRTIO_BLK := m
include {REPO}/Kbuild
crates := virtqueue/vring/vring virtqueue/virtio abstractions/blockdev/blockdev blk/buffers/blk_buffers \\
	blk/virtio_blk
flags: ; @$(foreach o,$(crates),echo '$(RUSTFLAGS_$(o).o)';)
.PHONY: FORCE
"""


@pytest.mark.parametrize("variables, flag, crates", [
    (["RUST_VIRTIO_VERSION=0.1.0~git1"], "-C metadata=0.1.0~git1 ", [True, True, False, False, False]),
    ([], "-C metadata", [False] * 5)])
def test_modules_of_two_versions_of_a_package_do_not_link_to_each_other(variables, flag, crates, tmp_path, write):
    """Symbols that other modules use have the version; those of a build by hand have none."""
    write("Makefile", _FLAGS)
    done = subprocess.run(["make", "-s", "-C", tmp_path, *variables, "flags"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [flag in line + " " for line in lines] == crates
    assert ["--extern" in line for line in lines] == [False, True, False, True, True]
