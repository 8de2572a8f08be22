# SPDX-License-Identifier: GPL-2.0
"""The build of the guest kernel: what an interruption leaves."""

import shutil
from unittest import mock

import pytest

from harness.build import kernel
from harness.say import Failure
from harness.suites import fits


def test_a_build_goes_on_where_it_was_ended(tmp_path, monkeypatch):
    ran, fails = [], ""

    def run(_argv, _log, what, **_options):
        """Stands in for a command."""
        ran.append(what)
        if what == fails:
            raise KeyboardInterrupt if what == "kernel build" else Failure(what)

    monkeypatch.setenv("RUST_VIRTIO_CACHE", str(tmp_path))
    for name in ("KDIR", "KERNEL", "KSRC"):
        monkeypatch.delenv(name, raising=False)
    tools = mock.Mock(identity="gcc", make=list, env=dict)
    for module, name, stand_in in (
            (kernel.source, "ensure", lambda: tmp_path), (kernel.source, "version", lambda _: "7.3"),
            (kernel.toolchain, "find", lambda: tools), (kernel, "_check_merged", mock.Mock()),
            (kernel, "say", mock.Mock()), (shutil, "disk_usage", lambda _: mock.Mock(free=1 << 40)),
            (kernel, "run", run)):
        monkeypatch.setattr(module, name, stand_in)
    fails = "merge_config.sh"
    with pytest.raises(Failure):
        kernel.directory()
    fails = "kernel build"
    for configured in (False, True):
        ran.clear()
        with pytest.raises(KeyboardInterrupt):
            kernel.directory()
        assert ("make tinyconfig" not in ran) == configured, ran
    ran.clear()
    fails = ""
    kdir = kernel.directory()
    assert kernel.directory() == kdir
    assert ran == ["kernel build"]


def test_a_variant_may_be_a_kernel_from_packages_whatever_the_environment_names(monkeypatch):
    monkeypatch.setenv("KERNEL", "debian-cloud")
    monkeypatch.setattr(kernel.stock, "directory", lambda name: f"kernel {name}")
    assert kernel.directory("debian") == "kernel debian"
    assert not fits.why_no_kernel(mock.Mock(kernel="debian"), "debian-cloud")
    assert "not KERNEL=debian-cloud" in fits.why_no_kernel(mock.Mock(kernel="debug"), "debian-cloud")
