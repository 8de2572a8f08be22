# SPDX-License-Identifier: GPL-2.0
"""Kernels of distributions: which is taken, what guests take along of it, what is skipped on it."""

import json
import lzma
import os
import shutil
import unittest
from pathlib import Path
from unittest import mock

from harness.build import kernel, kmods, modtree, modules, stock
from harness.guest.spec import Spec
from harness.paths import BUILT, MARK
from harness.report.results import Results
from harness.say import Failure
from harness.suites import fits, legs, selftest

_ABOUT = {"name": "debian", "release": "7.3.4+deb13-amd64", "version": "7.3.4-1~bpo13+1"}


class Case(unittest.TestCase):
    """A cache of its own, and no variable set."""

    def setUp(self):
        self.environment({})

    def environment(self, values: dict) -> None:
        """Sets the variables, in addition to the cache."""
        self.enter(mock.patch.dict(os.environ, {**values, "RUST_VIRTIO_CACHE": str(self.top)}, clear=False))
        for name in {"KDIR", "KERNEL", "VARIANT", "RING"} - set(values):
            os.environ.pop(name, None)


class Choice(Case):
    """Which kernel is taken."""

    def cached(self, version: str, name: str = "debian") -> Path:
        """Puts a kernel into the cache."""
        kdir = self.top / "stock" / f"{name}-{version}"
        kdir.mkdir(parents=True)
        (kdir / f"{MARK}stock").write_text(json.dumps({**_ABOUT, "name": name, "version": version}))
        return kdir

    def test_the_newest_cached_one_without_asking_anyone(self):
        self.cached("7.3.9-1~bpo13+1")
        newest = self.cached("7.3.10-1~bpo13+1")
        self.cached("7.4.1-1~bpo13+1", "debian-rt")
        self.environment({"KERNEL": "debian"})
        with mock.patch.object(stock, "_fetch", side_effect=AssertionError("asked")):
            assert kernel.directory() == newest

    def test_the_archive_is_asked_for_a_newer_one_and_for_one_that_is_not_there(self):
        self.cached("7.3.9-1~bpo13+1")
        with mock.patch.object(stock, "_fetch", side_effect=lambda name: f"fetched {name}"):
            assert stock.directory("debian", newest=True) == "fetched debian"
            assert stock.directory("debian-cloud") == "fetched debian-cloud"

    def test_one_that_was_not_finished_is_not_taken(self):
        kdir = self.cached("7.3.9-1~bpo13+1")
        (kdir / f"{MARK}stock").unlink()
        with mock.patch.object(stock, "_fetch", side_effect=lambda name: f"fetched {name}"):
            assert stock.directory("debian") == "fetched debian"

    def test_a_mark_that_cannot_be_read_is_as_good_as_none(self):
        kdir = self.cached("7.3.9-1~bpo13+1")
        for text in ("", '{"name": "debian", "rel', "[]", "7.3.9\n", '{"release": "7.3.9", "version": "1"}',
                     '{"name": "debian", "release": "7.3.9"}', "\xff"):
            with self.subTest(text):
                (kdir / f"{MARK}stock").write_text(text, encoding="latin-1")
                assert not stock.is_stock(kdir)
                with mock.patch.object(stock, "_fetch", side_effect=lambda name: f"fetched {name}"):
                    assert stock.directory("debian") == "fetched debian"

    def test_what_is_asked_for_is_checked(self):
        for values, text in (({"KERNEL": "ubuntu"}, "no such kernel.*debian, debian-cloud, debian-rt"),
                             ({"KERNEL": "debian", "KDIR": "/x"}, "both KERNEL=debian and KDIR=/x"),
                             ({"KERNEL": "debian", "VARIANT": "debug"}, "VARIANT=debug cannot")):
            self.environment(values)
            with self.assertRaisesRegex(Failure, text):
                kernel.directory()

    def test_other_machines_are_told_why_not(self):
        with mock.patch.object(stock.platform, "machine", lambda: "aarch64"):
            with self.assertRaisesRegex(Failure, "x86_64, and this machine is aarch64.*KDIR="):
                stock.directory("debian")
        with mock.patch.object(stock.debian, "is_debian", lambda: False), \
                mock.patch.object(stock.platform, "machine", lambda: "x86_64"):
            with self.assertRaisesRegex(Failure, "not Debian 12 or 13"):
                stock.directory("debian")

    def test_its_modules_are_apart_from_others(self):
        kdir = self.cached("7.3.9-1~bpo13+1")
        out = self.top / "out" / "modules-debian"
        out.mkdir(parents=True)
        (out / "rust_vring.ko").touch()
        with mock.patch.object(modules, "OUT", self.top / "out"):
            assert modules.built(kdir) == [out / "rust_vring.ko"]


class Packages(Case):
    """Which packages make up a kernel."""

    def test_what_the_archive_has_and_depends_on_of_the_same_upload(self):
        known = {
            "linux-headers-amd64": "linux-base-amd64 (= 1), linux-headers-7.3.4+deb13-amd64 (= 1)",
            "linux-image-7.3.4+deb13-amd64": "dracut | initramfs-tools (>= 0.1), "
                                             "linux-modules-7.3.4+deb13-amd64 (= 1)",
            "linux-modules-7.3.4+deb13-amd64": "linux-base-7.3.4+deb13-amd64",
            "linux-base-7.3.4+deb13-amd64": "kmod, linux-base (>= 4.12~)",
            "linux-headers-7.3.4+deb13-amd64": "gcc-14-for-host, linux-kbuild-7.3.4+deb13",
        }

        def show(argv, env=None):
            name = argv[-1].partition("=")[0]
            return f"Package: {name}\nDepends: {known[name]}\n" if name in known else ""

        apt = mock.Mock(log="log", env=dict, candidate=lambda package: "1")
        with mock.patch.object(stock, "output", show):
            assert stock._newest(apt, "debian") == ("7.3.4+deb13-amd64", "1")
            assert stock._packages(apt, "7.3.4+deb13-amd64", "1") == sorted(
                [name for name in known if "+deb13" in name] + ["linux-kbuild-7.3.4+deb13"])
            with self.assertRaisesRegex(Failure, "has no linux-headers-rt-amd64"):
                stock._newest(apt, "debian-rt")


class Making(Case):
    """How a kernel's directory comes to be."""

    def setUp(self):
        super().setUp()
        self.kdir = self.top / "stock" / "k"
        self.got, self.broken = [], ""
        self.apt = mock.Mock(log="log", env=dict)
        self.apt.download = self.download

    def download(self, package: str, into: Path) -> Path:
        """Stands in for apt: leaves a file, or fails as without a network."""
        if package.startswith(self.broken or "none"):
            raise Failure("no network")
        into.mkdir(parents=True, exist_ok=True)
        name = package.partition("=")[0]
        self.got.append(name)
        (into / f"{name}_1_all.deb").touch()
        return into / f"{name}_1_all.deb"

    def unpack(self, argv, _log, _what) -> None:
        """Stands in for dpkg-deb."""
        lib, headers = (Path(argv[3], "usr", part) for part in ("lib/modules/7.3.4-d",
                                                                "src/linux-headers-7.3.4-d"))
        lib.mkdir(parents=True, exist_ok=True)
        headers.mkdir(parents=True, exist_ok=True)
        for name in (lib / "vmlinuz", lib / "modules.builtin", headers / ".config", headers / "Module.symvers"):
            name.touch()

    def make(self) -> None:
        """Makes the kernel."""
        with mock.patch.object(stock, "run", self.unpack), mock.patch.object(stock, "inside", self.prepare), \
                mock.patch.object(stock, "_packages", lambda *_: ["linux-a", "linux-b"]):
            stock._make(self.apt, self.kdir, "debian", "7.3.4-d", "1", self.top / "log")

    def prepare(self, kdir, _argv, _log, _what) -> None:
        """Stands in for prepare-kdir."""
        if self.broken == "prepare":
            raise Failure("no")
        (kdir / "build" / "rust").mkdir(parents=True)
        (kdir / "build" / "rust" / "libkernel.rmeta").touch()

    def test_it_has_what_a_build_directory_has(self):
        self.make()
        for name in (".config", "Module.symvers", "arch/x86/boot/bzImage", "rust/libkernel.rmeta", "modules"):
            assert (self.kdir / name).exists(), name
        assert kmods.release(self.kdir) == "7.3.4-d"
        assert stock.about(self.kdir)["version"] == "1"
        assert not (self.kdir / "packages").exists()

    def test_what_was_interrupted_goes_on(self):
        self.broken = "linux-b"
        with self.assertRaisesRegex(stock.Unavailable, "packages cannot be fetched: no network"):
            self.make()
        assert not (self.kdir / "root").exists()
        self.broken = "prepare"
        with self.assertRaises(Failure) as caught:
            self.make()
        self.assertNotIsInstance(caught.exception, stock.Unavailable)
        assert not stock.is_stock(self.kdir)
        self.got, self.broken = [], ""
        self.make()
        assert self.got == ["linux-source-7.3"]
        assert stock.is_stock(self.kdir)

    def test_a_tree_of_which_a_half_is_left_is_completed(self):
        self.make()
        (self.kdir / f"{MARK}stock").write_text('{"na')
        shutil.rmtree(self.kdir / "root")
        shutil.rmtree(self.kdir / "build" / "rust")
        (self.kdir / "build" / BUILT).unlink(missing_ok=True)
        self.got = []
        self.make()
        assert self.got == ["linux-a", "linux-b", "linux-source-7.3"]
        assert (self.kdir / "rust/libkernel.rmeta").exists()
        assert stock.about(self.kdir)["release"] == "7.3.4-d"

    def test_the_leg_of_make_test_is_skipped_where_there_are_no_packages(self):
        results = Results("x")
        with mock.patch.object(stock, "directory", side_effect=stock.Unavailable("no network\nLog: x")), \
                mock.patch.object(legs.selftest, "run", side_effect=AssertionError("ran")):
            legs._on_stock(results)
        assert [(test.result, test.reason) for test in results.tests] == [("skip", "no network")]
        with mock.patch.object(stock, "directory", side_effect=Failure("broken")):
            with self.assertRaisesRegex(Failure, "broken"):
                legs._on_stock(results)
        for part in legs._STOCK.pattern.split(","):
            assert len(selftest.scripts(part)) == 1


class Kernel(Case):
    """A kernel with compressed modules, and more of them than a guest takes."""

    def setUp(self):
        super().setUp()
        self.kdir = self.top / "kdir"
        (self.kdir / "include/config").mkdir(parents=True)
        (self.kdir / "include/config/kernel.release").write_text("7.3.4-d\n")
        self.modules = self.kdir / "modules"
        (self.modules / "kernel").mkdir(parents=True)
        (self.modules / "modules.builtin").write_text("kernel/drivers/virtio/virtio_ring.ko\n"
                                                      "kernel/drivers/virtio/virtio-pci.ko\n")
        self.config("VIRTIO=y", "VIRTIO_BLK=m")
        self.order = []
        for name, depends in (("ext4", "jbd2,crc-16"), ("jbd2", ""), ("crc-16", ""),
                              ("virtio_blk", ""), ("virtio_net", "net_failover"),
                              ("net_failover", ""), ("virtio_mmio", "")):
            self.module(name, depends)

    def config(self, *lines) -> None:
        """Writes the configuration."""
        (self.kdir / ".config").write_text("".join(f"CONFIG_{line}\n" for line in lines))

    def module(self, name: str, depends: str = "", more: str = "") -> None:
        """Adds a module to the kernel."""
        data = f"\x7fELF\0license=GPL\0depends={depends}\0{more}\0".encode()
        (self.modules / "kernel" / f"{name}.ko.xz").write_bytes(lzma.compress(data))
        self.order.append(f"kernel/{name}.o\n")
        (self.modules / "modules.order").write_text("".join(self.order))

    def test_guests_take_what_is_listed_and_what_that_needs(self):
        self.module("other")
        self.module("pre")
        self.module("overlay", more="softdep=pre: pre")
        with mock.patch.object(kmods, "_MANY", 3):
            assert set(kmods.taken(self.kdir)) == {"ext4", "jbd2", "crc_16", "virtio_blk", "virtio_net", "net_failover",
                "virtio_mmio", "overlay", "pre"}
        assert "other" in kmods.taken(self.kdir)

    def test_and_what_our_modules_need(self):
        self.module("other")
        ours = self.top / "rust_x.ko"
        ours.write_bytes(b"\0depends=other\0")
        with mock.patch.object(kmods, "_MANY", 3):
            assert "other" in kmods.taken(self.kdir, [ours])

    def test_the_tree_of_a_guest_has_them_uncompressed(self):
        with mock.patch.object(modtree, "run"):
            top = modtree.build(self.kdir, [], self.top / "dest", self.top / "log", "c")
        assert (top / "kernel/crc_16.ko").read_bytes().startswith(b"\x7fELF")
        assert (top / "modules.order").read_text().split()[2] == "kernel/crc_16.ko"

    def test_what_is_part_of_the_kernel_is_not_loaded(self):
        assert modtree.loadable(self.kdir, Spec().load()) == ["ext4", "rust_virtqueue", "rust_virtio_blk",
            "rust_virtio_net"]

    def test_the_ring_is_the_one_in_the_kernel(self):
        assert modtree.settle(Spec(), self.kdir).ring == "c"
        for ring in ("rust", "both"):
            with self.assertRaisesRegex(Failure, "the ring in C is built into Linux 7.3.4-d"):
                modtree.settle(Spec(ring=ring), self.kdir)
        (self.modules / "modules.builtin").write_text("")
        assert modtree.settle(Spec(), self.kdir).ring == modtree.DEFAULT_RING

    def why_not(self, script: str = "", **fields) -> str:
        """Returns why a script is skipped on this kernel."""
        ours = [Path(f"{name}.ko") for name in modtree.FAMILIES["rust"]]
        with mock.patch.object(kmods, "needs", lambda path: []):
            return fits.why_not(self.kdir, Spec(**fields), ours, script)

    def test_what_a_kernel_cannot_run_is_skipped_with_the_reason(self):
        assert self.why_not() == ""
        assert self.why_not(ring="c", family="c") == ""
        assert "ring in C is built in" in self.why_not(ring="both")
        assert "no module vdpa_sim" in self.why_not(modules=["vdpa_sim"])
        assert "no CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES" in self.why_not(transport="mmio")
        assert "no CONFIG_A, CONFIG_C" in self.why_not("#!x\n# config: A VIRTIO_BLK\n# config: C\n")
        assert "no CONFIG_VIRTIO=m" in self.why_not("#!x\n# config: VIRTIO=m\n")
        self.config("VIRTIO=y", "A=m", "C=y")
        assert self.why_not("#!x\n# config: A C\n") == ""

    def test_drivers_in_c_that_are_part_of_the_kernel_take_the_devices(self):
        with open(self.modules / "modules.builtin", "a", encoding="ascii") as listed:
            listed.write("kernel/drivers/block/virtio_blk.ko\n")
        assert "virtio_blk is built into" in self.why_not()
        assert self.why_not(family="c") == ""

    def test_suites_need_kunit(self):
        assert "no KUnit" in fits.why_no_suites(self.kdir)
        self.config("KUNIT=y")
        assert fits.why_no_suites(self.kdir) == ""

    def test_a_kernel_of_its_own_is_not_a_package_s(self):
        assert fits.why_no_kernel(Spec(kernel="in-tree"), "") == ""
        assert "tools/config/in-tree.config" in fits.why_no_kernel(Spec(kernel="in-tree"), "debian")
        assert fits.why_no_kernel(Spec(), "debian") == ""
