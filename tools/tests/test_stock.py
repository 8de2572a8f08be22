# SPDX-License-Identifier: GPL-2.0
"""Kernels of distributions: which is taken, what guests take along of it, what is skipped on it."""

import json
import lzma
import shutil
from pathlib import Path
from unittest import mock

import pytest

from harness.build import kernel, kmods, modtree, modules, stock
from harness.guest.spec import Spec
from harness.report.results import Results
from harness.say import Failure
from harness.suites import fits, legs, selftest


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    """Sets the cache, and no other variable."""
    monkeypatch.setenv("RUST_VIRTIO_CACHE", str(tmp_path))
    for name in ("KDIR", "KERNEL", "VARIANT", "RING"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def cached(write):
    """Returns a function that puts a kernel into the cache."""
    def put(version: str, name: str = "debian") -> Path:
        about = {"name": name, "release": "7.3.4+deb13-amd64", "version": version}
        return write(f"stock/{name}-{version}/.rvt-stock", json.dumps(about)).parent

    return put


@pytest.fixture
def fetched(monkeypatch):
    """Stands in for the archive; returns the names of the kernels that it was asked for."""
    asked = []
    monkeypatch.setattr(stock, "_fetch", lambda name: asked.append(name) or f"fetched {name}")
    return asked


def test_the_newest_cached_one_without_asking_the_archive(cached, fetched, monkeypatch):
    cached("7.3.9-1~bpo13+1")
    newest = cached("7.3.10-1~bpo13+1")
    cached("7.4.1-1~bpo13+1", "debian-rt")
    monkeypatch.setenv("KERNEL", "debian")
    assert (kernel.directory(), fetched) == (newest, [])


def test_the_archive_is_asked_for_a_newer_one_and_for_one_that_is_not_there(cached, fetched):
    cached("7.3.9-1~bpo13+1")
    assert stock.directory("debian", newest=True) == "fetched debian"
    assert stock.directory("debian-cloud") == "fetched debian-cloud"


@pytest.mark.parametrize("text", [
    None, "", '{"name": "debian", "rel', "[]", "7.3.9\n", '{"release": "7.3.9", "version": "1"}',
    '{"name": "debian", "release": "7.3.9"}', "\xff"])
def test_a_mark_that_cannot_be_read_is_as_good_as_none(text, cached, fetched):
    mark = cached("7.3.9-1~bpo13+1") / ".rvt-stock"
    if text is None:
        mark.unlink()
    else:
        mark.write_text(text, encoding="latin-1")
    assert not stock.is_stock(mark.parent)
    assert stock.directory("debian") == "fetched debian"


@pytest.mark.parametrize("values, text", [
    ({"KERNEL": "ubuntu"}, "no such kernel.*debian, debian-cloud, debian-rt"),
    ({"KERNEL": "debian", "KDIR": "/x"}, "both KERNEL=debian and KDIR=/x"),
    ({"KERNEL": "debian", "VARIANT": "debug"}, "VARIANT=debug cannot")])
def test_wrong_variables_are_refused(values, text, monkeypatch):
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Failure, match=text):
        kernel.directory()


@pytest.mark.parametrize("processor, debian, text", [
    ("aarch64", True, "x86_64, and this machine is aarch64.*KDIR="), ("x86_64", False, "not Debian 12 or 13")])
def test_other_machines_are_told_why_not(processor, debian, text, monkeypatch):
    monkeypatch.setattr(stock.platform, "machine", lambda: processor)
    monkeypatch.setattr(stock.debian, "is_debian", lambda: debian)
    with pytest.raises(Failure, match=text):
        stock.directory("debian")


def test_its_modules_are_apart_from_others(cached, tmp_path, write, monkeypatch):
    ring = write("out/modules-debian/rust_vring.ko")
    monkeypatch.setattr(modules, "OUT", tmp_path / "out")
    assert modules.built(cached("7.3.9-1~bpo13+1")) == [ring]


def test_packages_are_those_of_the_same_upload(monkeypatch):
    known = {
        "linux-headers-amd64": "linux-base-amd64 (= 1), linux-headers-7.3.4+deb13-amd64 (= 1)",
        "linux-image-7.3.4+deb13-amd64": "dracut | initramfs-tools (>= 0.1), linux-modules-7.3.4+deb13-amd64 (= 1)",
        "linux-modules-7.3.4+deb13-amd64": "linux-base-7.3.4+deb13-amd64",
        "linux-base-7.3.4+deb13-amd64": "kmod, linux-base (>= 4.12~)",
        "linux-headers-7.3.4+deb13-amd64": "gcc-14-for-host, linux-kbuild-7.3.4+deb13"}

    def show(argv, env=None):
        name = argv[-1].partition("=")[0]
        return f"Package: {name}\nDepends: {known[name]}\n" if name in known else ""

    apt = mock.Mock(log="log", env=dict, candidate=lambda package: "1")
    monkeypatch.setattr(stock, "output", show)
    assert stock._newest(apt, "debian") == ("7.3.4+deb13-amd64", "1")
    assert stock._packages(apt, "7.3.4+deb13-amd64", "1") == sorted(
        [name for name in known if "+deb13" in name] + ["linux-kbuild-7.3.4+deb13"])
    with pytest.raises(Failure, match="has no linux-headers-rt-amd64"):
        stock._newest(apt, "debian-rt")


class Making:
    """A kernel in the making: `got` has the packages that were fetched, `broken` the step that fails."""

    def __init__(self, write, log):
        self.write, self.log, self.got, self.broken = write, log, [], ""
        self.kdir = log.parent / "stock" / "k"

    def download(self, package: str, into: Path) -> Path:
        """Stands in for apt: leaves a file, or fails as without a network."""
        if package.startswith(self.broken or "none"):
            raise Failure("no network")
        self.got.append(package.partition("=")[0])
        return self.write(into / f"{self.got[-1]}_1_all.deb")

    def unpack(self, argv, _log, _what) -> None:
        """Stands in for dpkg-deb."""
        for name in ("lib/modules/7.3.4-d/vmlinuz", "lib/modules/7.3.4-d/modules.builtin",
                     "src/linux-headers-7.3.4-d/.config", "src/linux-headers-7.3.4-d/Module.symvers"):
            self.write(Path(argv[3], "usr", name))

    def prepare(self, kdir, _argv, _log, _what) -> None:
        """Stands in for prepare-kdir."""
        if self.broken == "prepare":
            raise Failure("no")
        self.write(kdir / "build/rust/libkernel.rmeta")

    def make(self) -> None:
        apt = mock.Mock(log="log", env=dict, download=self.download)
        stock._make(apt, self.kdir, "debian", "7.3.4-d", "1", self.log)


@pytest.fixture
def making(write, tmp_path, monkeypatch):
    """Returns a kernel in the making, from two packages."""
    made = Making(write, tmp_path / "log")
    for name, stand_in in (("run", made.unpack), ("inside", made.prepare),
                           ("_packages", lambda *_: ["linux-a", "linux-b"])):
        monkeypatch.setattr(stock, name, stand_in)
    return made


def test_it_has_what_a_build_directory_has(making):
    making.make()
    for name in (".config", "Module.symvers", "arch/x86/boot/bzImage", "rust/libkernel.rmeta", "modules"):
        assert (making.kdir / name).exists(), name
    assert (kmods.release(making.kdir), stock.about(making.kdir)["version"]) == ("7.3.4-d", "1")
    assert not (making.kdir / "packages").exists()


def test_what_was_interrupted_goes_on(making):
    making.broken = "linux-b"
    with pytest.raises(stock.Unavailable, match="packages cannot be fetched: no network"):
        making.make()
    assert not (making.kdir / "root").exists()
    making.broken = "prepare"
    with pytest.raises(Failure) as caught:
        making.make()
    assert not isinstance(caught.value, stock.Unavailable)
    assert not stock.is_stock(making.kdir)
    making.got, making.broken = [], ""
    making.make()
    assert making.got == ["linux-source-7.3"]
    assert stock.is_stock(making.kdir)


def test_a_tree_of_which_a_half_is_left_is_completed(making):
    making.make()
    (making.kdir / ".rvt-stock").write_text('{"na')
    shutil.rmtree(making.kdir / "root")
    shutil.rmtree(making.kdir / "build" / "rust")
    (making.kdir / "build" / ".rvt-built").unlink(missing_ok=True)
    making.got = []
    making.make()
    assert making.got == ["linux-a", "linux-b", "linux-source-7.3"]
    assert (making.kdir / "rust/libkernel.rmeta").exists()
    assert stock.about(making.kdir)["release"] == "7.3.4-d"


def test_the_leg_of_make_test_is_skipped_where_there_are_no_packages(monkeypatch):
    results, run, directory = Results("x"), mock.Mock(), mock.Mock(side_effect=stock.Unavailable("no network\nLog: x"))
    monkeypatch.setattr(stock, "directory", directory)
    monkeypatch.setattr(legs.selftest, "run", run)
    legs._on_stock(results)
    assert [(test.result, test.reason) for test in results.tests] == [("skip", "no network")]
    directory.side_effect = Failure("broken")
    with pytest.raises(Failure, match="broken"):
        legs._on_stock(results)
    run.assert_not_called()
    for part in legs._STOCK.pattern.split(","):
        assert len(selftest.scripts(part)) == 1


class Kernel:
    """A kernel with compressed modules, and more of them than a guest takes."""

    def __init__(self, kdir: Path, write):
        self.kdir, self.write, self.order = kdir, write, ""
        self.builtin("virtio/virtio_ring", "virtio/virtio-pci")
        self.config("VIRTIO=y", "VIRTIO_BLK=m")
        for name, depends in (("ext4", "jbd2,crc-16"), ("jbd2", ""), ("crc-16", ""), ("virtio_blk", ""),
                              ("virtio_net", "net_failover"), ("net_failover", ""), ("virtio_mmio", "")):
            self.module(name, depends)

    def builtin(self, *names) -> None:
        """Writes which modules are part of the kernel."""
        self.write(self.kdir / "modules/modules.builtin", "".join(f"kernel/drivers/{name}.ko\n" for name in names))

    def config(self, *lines) -> None:
        self.write(self.kdir / ".config", "".join(f"CONFIG_{line}\n" for line in lines))

    def module(self, name: str, depends: str = "", more: str = "") -> None:
        data = f"\x7fELF\0license=GPL\0depends={depends}\0{more}\0".encode()
        self.write(self.kdir / f"modules/kernel/{name}.ko.xz", lzma.compress(data))
        self.order += f"kernel/{name}.o\n"
        self.write(self.kdir / "modules/modules.order", self.order)

    def why_not(self, script: str = "", **fields) -> str:
        ours = [Path(f"{name}.ko") for name in modtree.FAMILIES["rust"]]
        with mock.patch.object(kmods, "needs", lambda path: []):
            return fits.why_not(self.kdir, Spec(**fields), ours, script)


@pytest.fixture
def stocked(kdir, write):
    return Kernel(kdir, write)


def test_guests_take_what_is_listed_and_what_that_and_our_modules_need(stocked, write, monkeypatch):
    for module in (("other",), ("pre",), ("overlay", "", "softdep=pre: pre")):
        stocked.module(*module)
    assert "other" in kmods.taken(stocked.kdir)
    monkeypatch.setattr(kmods, "_MANY", 3)
    assert set(kmods.taken(stocked.kdir)) == {"ext4", "jbd2", "crc_16", "virtio_blk", "virtio_net", "net_failover",
                                              "virtio_mmio", "overlay", "pre"}
    assert "other" in kmods.taken(stocked.kdir, [write("rust_x.ko", "\0depends=other\0")])


def test_the_tree_of_a_guest_has_them_uncompressed(stocked, tmp_path, monkeypatch):
    monkeypatch.setattr(modtree, "run", mock.Mock())
    top = modtree.build(stocked.kdir, [], tmp_path / "dest", tmp_path / "log", "c")
    assert (top / "kernel/crc_16.ko").read_bytes().startswith(b"\x7fELF")
    assert (top / "modules.order").read_text().split()[2] == "kernel/crc_16.ko"


def test_what_is_part_of_the_kernel_is_not_loaded(stocked):
    assert modtree.loadable(stocked.kdir, Spec().load()) == ["ext4", "rust_virtqueue", "rust_virtio_blk",
                                                             "rust_virtio_net"]


def test_the_ring_is_the_one_in_the_kernel(stocked):
    assert modtree.settle(Spec(), stocked.kdir).ring == "c"
    for ring in ("rust", "both"):
        with pytest.raises(Failure, match="the C ring is built into Linux 7.3.4"):
            modtree.settle(Spec(ring=ring), stocked.kdir)
    stocked.builtin()
    assert modtree.settle(Spec(), stocked.kdir).ring == modtree.DEFAULT_RING


@pytest.mark.parametrize("script, fields, reason", [
    ("", {}, ""), ("", {"ring": "c", "family": "c"}, ""), ("", {"ring": "both"}, "the C ring is built in"),
    ("", {"modules": ["vdpa_sim"]}, "no module vdpa_sim"),
    ("", {"transport": "mmio"}, "no CONFIG_VIRTIO_MMIO_CMDLINE_DEVICES"),
    ("#!x\n# config: A VIRTIO_BLK\n# config: C\n", {}, "no CONFIG_A, CONFIG_C"),
    ("#!x\n# config: VIRTIO=m\n", {}, "no CONFIG_VIRTIO=m"), ("#!x\n# config: VIRTIO VIRTIO_BLK\n", {}, "")])
def test_what_a_kernel_cannot_run_is_skipped_with_the_reason(stocked, script, fields, reason):
    said = stocked.why_not(script, **fields)
    assert reason in said and bool(said) == bool(reason)


def test_drivers_in_c_that_are_part_of_the_kernel_take_the_devices(stocked):
    stocked.builtin("virtio/virtio_ring", "virtio/virtio-pci", "block/virtio_blk")
    assert "virtio_blk is built into" in stocked.why_not()
    assert stocked.why_not(family="c") == ""


def test_suites_need_kunit(stocked):
    assert "no KUnit" in fits.why_no_suites(stocked.kdir)
    stocked.config("KUNIT=y")
    assert fits.why_no_suites(stocked.kdir) == ""


@pytest.mark.parametrize("spec, kernel_, reason", [
    (Spec(kernel="in-tree"), "", ""), (Spec(kernel="in-tree"), "debian", "tools/config/in-tree.config"),
    (Spec(), "debian", "")])
def test_a_kernel_of_its_own_is_not_a_package_s(spec, kernel_, reason):
    said = fits.why_no_kernel(spec, kernel_)
    assert reason in said and bool(said) == bool(reason)
