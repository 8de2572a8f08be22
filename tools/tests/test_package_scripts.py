# SPDX-License-Identifier: GPL-2.0
"""Tests of the scripts of the Debian package, without what debhelper adds."""

import re

import pytest
from tool_machine import KERNEL, OLD, PACKAGING

OTHER = "7.3.4+deb13-rt-amd64"
NOTED = "var/lib/rust-virtio/kernels"

DKMS = """#!/bin/sh
[ "$1 $2 $3" = 'status -m rust-virtio' ] && grep "${5:+, $5,}" "$RUST_VIRTIO_ROOT/status"
"""

BUILD = """#!/bin/sh
echo "$1" >>"$RUST_VIRTIO_ROOT/built"
grep -qx "$1" "$RUST_VIRTIO_ROOT/fails" 2>/dev/null ||
	echo "rust-virtio/0.2, $1, x86_64: installed" >>"$RUST_VIRTIO_ROOT/status"
"""


class Package:
    """A machine on which the modules of version 0.1 were built for two of three kernels."""

    def __init__(self, machine):
        self.machine = machine
        for path, text in (("etc/kernel/postinst.d/dkms-rust-virtio", BUILD), ("bin/dkms", DKMS), ("built", ""),
                           ("bin/rust-virtio", "#!/bin/sh\necho \"$*\" >>\"$RUST_VIRTIO_ROOT/calls\"\n")):
            machine.write(path, text)
        machine.write("status", f"rust-virtio/0.1, {KERNEL}, x86_64: installed\n"
                      f"rust-virtio/0.1, {OTHER}, x86_64: installed (WARNING! Diff)\n"
                      f"rust-virtio/0.1, {OLD}, x86_64: built\nrust-virtio/0.2: added\n")
        for kernel in (KERNEL, OTHER):
            (machine.root / f"lib/modules/{kernel}/build/include").mkdir(parents=True)

    def run(self, name, *argv, dkms=""):
        """Runs a script of the package on the machine, with a text in the place of DKMS's; returns its warnings."""
        text = (PACKAGING / "debian" / f"rust-virtio-dkms.{name}").read_text().replace("#DEBHELPER#", dkms)
        text = re.sub(r"(?<![\w/])/(var/lib/rust-virtio|var/lib/dkms|lib/modules|etc/kernel|etc/modprobe.d|var/cache"
                      r"|run/lock)", rf"{self.machine.root}/\1", text)
        done = self.machine.call("sh", "-c", text, name, *argv)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def begin_upgrade(self):
        """Runs the script before an upgrade, with what DKMS does in it."""
        self.run("prerm", "upgrade", "0.2")
        self.machine.write("status", "rust-virtio/0.2: added\n")

    def built(self):
        """Returns the kernels that the modules were built for."""
        return self.machine.read("built").split()

    def noted(self):
        """Returns the kernels that the modules are still to be built for, None if there is no list."""
        return self.machine.read(NOTED).split() if self.machine.has(NOTED) else None


@pytest.fixture
def package(machine):
    return Package(machine)


def test_an_upgrade_builds_for_each_kernel_that_had_the_modules(package):
    package.begin_upgrade()
    package.run("postinst", "configure", "0.1")
    assert package.built() == [KERNEL, OTHER]
    assert not package.machine.has("var/lib/rust-virtio")


def test_a_failed_build_is_made_up_for(package):
    package.begin_upgrade()
    package.machine.write("fails", f"{OTHER}\n")
    package.run("postinst", "configure", "0.1")
    assert package.noted() == [OTHER]
    package.machine.write("fails")
    package.begin_upgrade()
    package.run("postinst", "configure", "0.2")
    assert package.built() == [KERNEL, OTHER] * 2
    assert not package.machine.has("var/lib/rust-virtio")


def test_an_upgrade_that_is_called_off_is_undone(package):
    package.begin_upgrade()
    package.run("postinst", "abort-upgrade", "0.2")
    assert package.built() == [KERNEL, OTHER]
    assert package.machine.read("calls") == "refresh\n"


def test_where_dkms_stops_the_other_kernels_are_built_for(package):
    log = package.machine.write("var/lib/dkms/rust-virtio/0.1/build/make.log")
    log.unlink()
    package.machine.write("status", "rust-virtio/0.1: added\n")
    said = package.run("postinst", "configure", "", dkms="sleep 0.1\necho 'make.log for rust-virtio/0.1 for kernel "
                       f"{KERNEL} (x86_64)' >{log}\nexit 10\n")
    assert "modules were not built (status 10" in said
    assert package.built() == [OTHER], "the kernel for which DKMS has failed is not built for twice"
    assert package.noted() is None


def test_a_kernel_without_headers_is_reported(package):
    package.begin_upgrade()
    (package.machine.root / f"lib/modules/{OTHER}/build/include").rmdir()
    said = package.run("postinst", "configure", "0.1")
    assert f"kernel {OTHER} boots on the C drivers: its headers are gone" in said
    assert package.built() == [KERNEL]
    assert package.noted() == [OTHER]


def test_a_first_installation_builds_for_none(package):
    package.run("postinst", "configure", "")
    assert package.built() == []


def test_a_removal_leaves_no_note(package):
    package.run("prerm", "upgrade", "0.2")
    package.run("postrm", "upgrade", "0.2")
    assert package.noted()
    package.run("prerm", "remove")
    package.run("postrm", "remove")
    assert not package.machine.has("var/lib/rust-virtio")


@pytest.mark.parametrize("snippet", ["case $1 in configure) sh -c 'exit 10'; echo after >&2 ;; esac", "exit 10"])
def test_a_build_that_fails_is_a_warning(package, snippet):
    package.machine.write("status")
    assert re.search(r"^rust-virtio: WARNING: modules were not built \(status 10; .*doctor",
                     package.run("postinst", "configure", "0.1", dkms=snippet))
    assert package.machine.read("calls") == "conflicts\nrefresh\n"


def test_a_build_that_succeeds_is_no_warning(package):
    assert package.run("postinst", "configure", "0.1", dkms="true") == ""
    assert package.machine.read("calls") == "conflicts\nrefresh\n"
