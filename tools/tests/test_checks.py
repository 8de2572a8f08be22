# SPDX-License-Identifier: GPL-2.0
"""Tests that what the user gives is checked, and that errors name what is wrong."""

import pytest

from harness.build import kconfig, kernel, modules, source
from harness.guest import spec
from harness.host import toolchain
from harness.say import Failure


def refused(check, argument, text: str, **options) -> None:
    """Checks that an argument is refused with an error that says why."""
    with pytest.raises(Failure, match=text):
        check(argument, **options)


@pytest.fixture
def built(tmp_path, write):
    """Returns a function that gives `tmp_path` files of a built kernel."""
    def make(release: str, config: str) -> str:
        write("include/config/kernel.release", release + "\n")
        write(".config", config)
        write("Module.symvers")
        return str(tmp_path)

    return make


def test_kdir(built, tmp_path, write):
    good = "".join(f"CONFIG_{symbol}=y\n" for symbol in kconfig.FOR_MODULES)
    refused(kernel.check, str(tmp_path / "none"), "no such directory")
    refused(kernel.check, str(tmp_path), "not the directory of a built kernel")
    path = built("7.2.9", good)
    refused(kernel.check, path, "7.2.9 is older than 7.3.*KERNEL=debian")
    built("7.3.4", good)
    refused(kernel.check, path, "no rust/libkernel.rmeta.*prepare-kdir")
    write("rust/libkernel.rmeta")
    assert kernel.check(path) == tmp_path
    (tmp_path / "Module.symvers").unlink()
    refused(kernel.check, path, "configured but not built")
    built("7.3.4", good.replace("CONFIG_RUST=y", "# CONFIG_RUST is not set"))
    refused(kernel.check, path, "lacks CONFIG_RUST: configure")
    built("7.3.4", good.replace("CONFIG_MODULES=y\n", ""))
    refused(kernel.check, path, "lacks CONFIG_MODULES: configure")


def test_the_kernel_of_a_guest(built, tmp_path, write):
    good = "".join(f"CONFIG_{symbol}=y\n" for symbol in kconfig.FOR_GUESTS)
    built("7.3.4-harness-test", good)
    refused(kernel.check_guest, tmp_path, "no image of Linux 7.3.4-harness-test is installed")
    write("arch/x86/boot/bzImage")
    kernel.check_guest(tmp_path)
    for symbol in kconfig.SIGNATURES:
        write(".config", f"{good}CONFIG_{symbol}=y\n")
        refused(kernel.check_guest, tmp_path, f"without a signature.*CONFIG_{symbol}=y.*sign-file")
    write(".config", good.replace("CONFIG_DEBUG_FS=y\n", ""))
    refused(kernel.check_guest, tmp_path, "a guest needs CONFIG_DEBUG_FS")


def test_the_compiler_of_a_kernel(built, tmp_path, monkeypatch):
    built("7.3.4", 'CONFIG_RUSTC_VERSION_TEXT="rustc 1.80.0 (x)"\n')
    tools = toolchain.Toolchain("/usr/bin/rustc", "", "", "", "rustc 1.85.1 (y)|clang|bindgen")
    monkeypatch.setattr(toolchain, "find", lambda: tools)
    monkeypatch.setattr(modules, "OUT", tmp_path)
    monkeypatch.setattr(modules, "new_log", lambda name: tmp_path / name)
    refused(modules.build, tmp_path, "rustc 1.80.0.*rustc 1.85.1.*set RUSTC=")
    refused(modules.build, tmp_path, "CONFIG_KUNIT", kunit=True)


def test_ksrc(tmp_path, write):
    path, makefile = str(tmp_path), "VERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = 0\nEXTRAVERSION ={}\n".format
    refused(source.given, str(tmp_path / "none"), "no such directory")
    refused(source.given, path, "not a Linux source tree")
    write("Kconfig")
    write("Makefile", makefile(6, 19, ""))
    refused(source.given, path, "6.19.0 is older than 7.3")
    write("Makefile", makefile(7, 4, " -rc1"))
    refused(source.given, path, "no rust/kernel")
    assert source.version(tmp_path) == "7.4.0-rc1"


def test_symbols_that_were_refused_are_named():
    assert kconfig.unmet({"A": "y", "B": "n"}, {"A": "y", "B": "m", "C": "n"}) == ["CONFIG_B=m (is n)"]


@pytest.mark.parametrize("text, why", [('{"blk":[{"sise":"1G"}]}', "Disk has no sise"), ("{", "not JSON")])
def test_wrong_descriptions_of_guests(text, why):
    refused(spec.parse, text, why)


def test_equal_descriptions_have_equal_keys():
    assert spec.parse('{"net":[{}],"vcpus":2}').key() == spec.parse('{"vcpus":2,"net":[{"queues":1}]}').key()
