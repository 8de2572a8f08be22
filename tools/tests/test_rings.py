# SPDX-License-Identifier: GPL-2.0
"""Tests of how guests get their ring provider, its layout and their transport."""

import dataclasses
import unittest
from pathlib import Path
from unittest import mock

from harness.build import modtree
from harness.guest import qemu, spec
from harness.guest.machine import Outcome
from harness.guest.spec import Spec
from harness.guest.transport import LAYOUTS, TRANSPORTS
from harness.say import Failure
from harness.suites import legs, selftest
from harness.suites.selftest import Choice


class KernelTree(unittest.TestCase):
    """Which modules get into a guest."""

    def setUp(self):
        self.kdir = self.top / "kdir"
        (self.kdir / "include" / "config").mkdir(parents=True)
        (self.kdir / "include" / "config" / "kernel.release").write_text("7.3.0\n")
        self.ours = [self.top / "rust_virtio_ring.ko"]
        self.kernel("virtio_ring", "virtio")
        self.ours[0].touch()

    def kernel(self, *names, builtin: str = "") -> None:
        """Gives the kernel these modules."""
        for name in names:
            (self.kdir / f"{name}.ko").touch()
        (self.kdir / "modules.order").write_text("".join(f"{name}.o\n" for name in names))
        (self.kdir / "modules.builtin").write_text(builtin)

    def tree(self, ring: str, ours=None) -> set:
        """Returns the names of the modules in a guest's tree."""
        with mock.patch.object(modtree, "run"):
            top = modtree.build(self.kdir, self.ours if ours is None else ours, self.top / "dest",
                                self.top / "log", ring)
        return {path.stem for path in top.glob("*/*.ko")}

    def test_one_provider_of_the_two(self):
        assert self.tree("c") == {"virtio_ring", "virtio"}
        assert self.tree("rust") == {"rust_virtio_ring", "virtio"}

    def test_both_where_modprobe_chooses(self):
        assert self.tree("both") == {"virtio_ring", "rust_virtio_ring", "virtio"}

    def test_a_provider_that_was_not_built_is_missed(self):
        for ring in ("rust", "both"):
            with self.assertRaisesRegex(Failure, "rust_virtio_ring.ko is neither"):
                self.tree(ring, ours=[])

    def test_a_provider_in_the_kernel_leaves_no_choice(self):
        self.kernel("virtio", builtin="kernel/drivers/virtio/virtio_ring.ko\n")
        for ring in ("c", "rust", "both"):
            assert self.tree(ring) == {"virtio"}


class CommandLines(unittest.TestCase):
    """What QEMU is told."""

    def line(self, **fields) -> str:
        """Returns the command line of a guest with a disk from a file and a NIC."""
        guest = Spec(blk=[{"size": "1M"}], net=[{"queues": 2}],
                     devices=[{"kind": "rng", "id": "rng", "before": ["-object", "o"]}], **fields)
        line = qemu.CommandLine(guest, self.top, self.top, "tcg", self.top / "log")
        line.disk(0)
        line.nic(0, "tap0")
        line.device(0)
        return " ".join(line.finish())

    def test_layouts_are_of_all_devices_and_of_those_to_come(self):
        assert "virtio-device." not in self.line()
        assert "virtio-device." not in self.line(layout="split")
        line = self.line(layout="packed-in-order")
        assert "-global virtio-device.packed=on" in line
        assert "-global virtio-device.in_order=on" in line

    def test_where_the_list_of_buffers_in_order_is(self):
        for layout, wanted in (("", {}), ("packed", {}),
                               ("in-order", {"LD_PRELOAD": f"{self.top}/calloc.so"})):
            line = qemu.CommandLine(Spec(layout=layout), self.top, self.top, "tcg",
                                    self.top / "log")
            assert line.env() == wanted
        assert (self.top / "calloc.so").exists()

    def test_pci_devices_are_behind_ports(self):
        line = self.line()
        for kind, name in (("blk", "blk0"), ("net", "net0"), ("rng", "rng")):
            assert f"virtio-{kind}-pci,id={name}," in line
            assert f"bus=port-{name}" in line
        assert "-object o -device pcie-root-port,id=port-rng" in line

    def test_legacy_devices_are_on_the_root_bus(self):
        line = self.line(transport="legacy")
        assert line.count("bus=pcie.0,disable-modern=on,disable-legacy=off") == 3
        assert "pcie-root-port" not in line
        assert "virtio-rng-pci-transitional,id=rng,bus=pcie.0" in self.line(transport="transitional")

    def test_mmio_has_no_pci(self):
        line = self.line(transport="mmio")
        assert "virtio-net-device,id=net0,netdev=net0" in line
        assert "-global virtio-mmio.force-legacy=off" in line
        for word in ("pci", "vectors", "bus="):
            assert word not in line

    def test_descriptions_are_checked(self):
        for wrong in ({"ring": "cc"}, {"layout": "flat"}, {"transport": "ccw"}, {"root": "nfs"},
                      {"devices": [{"name": "rng"}]}, {"transport": "mmio", "layout": "in-order"}):
            with self.assertRaises(Failure):
                Spec(**wrong)

    def test_the_module_of_the_transport_comes_first(self):
        for name, way in TRANSPORTS.items():
            assert Spec(transport=name).load()[0] == way.module


class Scripts(unittest.TestCase):
    """Which scripts run in which guests."""

    def test_a_script_with_cases_has_a_name_for_each(self):
        names = selftest.scripts("net/traffic-*")
        assert "net/traffic-packed" in names
        assert "net/traffic" not in selftest.scripts()
        assert selftest.scripts("traffic-packed") == ["net/traffic-packed"]
        assert selftest.wanted_guest("net/traffic-packed").net[0].props == {"packed": "on"}
        self.assertRegex(selftest.command("net/traffic-packed", "9"),
                         r"^cd \S+/net && timeout -k 10 9 sh ./traffic.sh N12 N22$")
        with self.assertRaises(Failure):
            selftest.command("net/traffic-nosuch", "9")

    def test_a_script_for_several_transports_has_several_names(self):
        names = selftest.scripts("ring/rng")
        assert "ring/rng@mmio" in names
        assert selftest.scripts("ring/rng@mmio") == ["ring/rng@mmio"]
        assert selftest.wanted_guest("ring/rng@mmio").transport == "mmio"

    def test_what_is_chosen_does_not_replace_what_a_script_says(self):
        choice = Choice(ring="c", layout="packed", family="c")
        guest = selftest.wanted_guest("dropin/ring", choice)
        assert (guest.ring, guest.layout, guest.family) == ("both", "packed", "none")
        guest = selftest.wanted_guest("blk/io", choice)
        assert (guest.ring, guest.layout, guest.family) == ("c", "packed", "c")

    def test_a_layout_that_a_transport_has_not_is_not_asked_of_it(self):
        choice = Choice(layout="packed-in-order")
        assert selftest.wanted_guest("ring/rng@mmio", choice).layout == ""
        assert selftest.wanted_guest("ring/rng@pci", choice).layout == "packed-in-order"

    def test_a_long_script_is_run_by_its_own_name_only(self):
        for name in legs.LOAD.split(","):
            subject, own = name.split("/")
            assert selftest.wanted_guest(name).long
            for pattern in (name, own + ".sh", f"blk/io,{name}"):
                assert name in selftest.scripts(pattern)
            for pattern in ("", subject, f"{subject}/*", "*"):
                assert name not in selftest.scripts(pattern)
        with self.assertRaisesRegex(Failure, "no selftest matches"):
            selftest.scripts("blk/recover-*")

    def test_a_long_script_has_the_time_and_is_told_how_much_to_do(self):
        ran = []

        class Guest:
            """A guest that comes to nothing."""

            rundir, prepare, actions = Path("none"), [], {}

            def __init__(self, *_args):
                pass

            def run(self, steps, **options):
                """Notes what is run."""
                ran.append((steps[0][1], options["limit"], options["env"]["HARNESS_ROUNDS"]))
                return Outcome(self.rundir, error="ended")

        with mock.patch.object(selftest, "Guest", Guest), mock.patch.object(selftest, "say"), \
                mock.patch.object(selftest.stall, "reason", return_value=""), \
                mock.patch.dict("os.environ", ROUNDS="7"):
            for name in ("blk/io", "blk/recover-load"):
                selftest.run_guest(mock.Mock(), selftest.wanted_guest(name), [name], Path(), [], "")
        (short, limit, rounds), (long, long_limit, _) = ran
        assert "$((600 * HARNESS_PATIENCE))" in short
        assert "$((21600 * HARNESS_PATIENCE))" in long
        assert (limit, long_limit, rounds) == (3600, 21600, "7")

    def test_every_description_is_right(self):
        for name in [*selftest.scripts(), *legs.LOAD.split(",")]:
            assert selftest.wanted_guest(name).provider() in [*modtree.RINGS, modtree.BOTH]

    def test_the_legs_go_through_both_rings_and_all_layouts(self):
        plan = legs.plan(Choice())
        for leg in plan:
            for part in leg.pattern.split(","):
                assert selftest.scripts(part)
        assert plan[0] == Choice()
        assert {leg.ring or modtree.DEFAULT_RING for leg in plan} == set(modtree.RINGS)
        assert {leg.layout for leg in plan} == {"", *LAYOUTS} - {"split"}
        assert len({leg.name for leg in plan}) == len(plan)

    def test_who_asks_for_something_gets_all_of_it_and_nothing_else(self):
        for asked in (Choice(ring="c"), Choice(layout="packed"), Choice(pattern="blk")):
            assert legs.plan(asked) == [asked]

    def test_groups_differ_by_ring_and_layout(self):
        guests = [spec.Spec(), spec.Spec(ring="c"), spec.Spec(layout="packed")]
        assert len({guest.key() for guest in guests}) == 3
        assert dataclasses.replace(guests[1], ring="").key() == guests[0].key()
