# SPDX-License-Identifier: GPL-2.0
"""Tests of how guests get their ring provider, its layout and their transport."""

import dataclasses
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from rvt import legs, modtree, qemu, selftest, spec
from rvt.machine import Outcome
from rvt.say import Failure
from rvt.selftest import Choice
from rvt.spec import Spec
from rvt.transport import LAYOUTS, TRANSPORTS


class KernelTree(unittest.TestCase):
    """Which modules get into a guest."""

    def setUp(self):
        self._scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self._scratch.cleanup)
        self.top = Path(self._scratch.name)
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
        self.assertEqual(self.tree("c"), {"virtio_ring", "virtio"})
        self.assertEqual(self.tree("rust"), {"rust_virtio_ring", "virtio"})

    def test_both_where_modprobe_chooses(self):
        self.assertEqual(self.tree("both"), {"virtio_ring", "rust_virtio_ring", "virtio"})

    def test_a_provider_that_was_not_built_is_missed(self):
        for ring in ("rust", "both"):
            with self.assertRaisesRegex(Failure, "rust_virtio_ring.ko is neither"):
                self.tree(ring, ours=[])

    def test_a_provider_in_the_kernel_leaves_no_choice(self):
        self.kernel("virtio", builtin="kernel/drivers/virtio/virtio_ring.ko\n")
        for ring in ("c", "rust", "both"):
            self.assertEqual(self.tree(ring), {"virtio"})


class CommandLines(unittest.TestCase):
    """What QEMU is told."""

    def line(self, **fields) -> str:
        """Returns the command line of a guest with a disk from a file and a NIC."""
        with tempfile.TemporaryDirectory() as scratch:
            guest = Spec(blk=[{"size": "1M"}], net=[{"queues": 2}],
                         devices=[{"kind": "rng", "id": "rng", "before": ["-object", "o"]}], **fields)
            line = qemu.CommandLine(guest, Path(scratch), Path(scratch), "tcg", Path(scratch) / "log")
            line.disk(0)
            line.nic(0, "tap0")
            line.device(0)
            return " ".join(line.finish())

    def test_layouts_are_of_all_devices_and_of_those_to_come(self):
        self.assertNotIn("virtio-device.", self.line())
        self.assertNotIn("virtio-device.", self.line(layout="split"))
        line = self.line(layout="packed-in-order")
        self.assertIn("-global virtio-device.packed=on", line)
        self.assertIn("-global virtio-device.in_order=on", line)

    def test_where_the_list_of_buffers_in_order_is(self):
        with tempfile.TemporaryDirectory() as scratch:
            for layout, wanted in (("", {}), ("packed", {}),
                                   ("in-order", {"LD_PRELOAD": f"{scratch}/calloc.so"})):
                line = qemu.CommandLine(Spec(layout=layout), Path(scratch), Path(scratch), "tcg",
                                        Path(scratch) / "log")
                self.assertEqual(line.env(), wanted)
            self.assertTrue((Path(scratch) / "calloc.so").exists())

    def test_pci_devices_are_behind_ports(self):
        line = self.line()
        for kind, name in (("blk", "blk0"), ("net", "net0"), ("rng", "rng")):
            self.assertIn(f"virtio-{kind}-pci,id={name},", line)
            self.assertIn(f"bus=port-{name}", line)
        self.assertIn("-object o -device pcie-root-port,id=port-rng", line)

    def test_legacy_devices_are_on_the_root_bus(self):
        line = self.line(transport="legacy")
        self.assertEqual(line.count("bus=pcie.0,disable-modern=on,disable-legacy=off"), 3)
        self.assertNotIn("pcie-root-port", line)
        self.assertIn("virtio-rng-pci-transitional,id=rng,bus=pcie.0",
                      self.line(transport="transitional"))

    def test_mmio_has_no_pci(self):
        line = self.line(transport="mmio")
        self.assertIn("virtio-net-device,id=net0,netdev=net0", line)
        self.assertIn("-global virtio-mmio.force-legacy=off", line)
        for word in ("pci", "vectors", "bus="):
            self.assertNotIn(word, line)

    def test_descriptions_are_checked(self):
        for wrong in ({"ring": "cc"}, {"layout": "flat"}, {"transport": "ccw"}, {"root": "nfs"},
                      {"devices": [{"name": "rng"}]}, {"transport": "mmio", "layout": "in-order"}):
            with self.assertRaises(Failure):
                Spec(**wrong)

    def test_the_module_of_the_transport_comes_first(self):
        for name, way in TRANSPORTS.items():
            self.assertEqual(Spec(transport=name).load()[0], way.module)


class Scripts(unittest.TestCase):
    """Which scripts run in which guests."""

    def test_a_script_with_cases_has_a_name_for_each(self):
        names = selftest.scripts("net/traffic-*")
        self.assertIn("net/traffic-packed", names)
        self.assertNotIn("net/traffic", selftest.scripts())
        self.assertEqual(selftest.scripts("traffic-packed"), ["net/traffic-packed"])
        self.assertEqual(selftest.wanted_guest("net/traffic-packed").net[0].props, {"packed": "on"})
        self.assertRegex(selftest.command("net/traffic-packed", "9"),
                         r"^cd \S+/net && timeout -k 10 9 sh ./traffic.sh N12 N22$")
        with self.assertRaises(Failure):
            selftest.command("net/traffic-nosuch", "9")

    def test_a_script_for_several_transports_has_several_names(self):
        names = selftest.scripts("ring/rng")
        self.assertIn("ring/rng@mmio", names)
        self.assertEqual(selftest.scripts("ring/rng@mmio"), ["ring/rng@mmio"])
        self.assertEqual(selftest.wanted_guest("ring/rng@mmio").transport, "mmio")

    def test_what_is_chosen_does_not_replace_what_a_script_says(self):
        choice = Choice(ring="c", layout="packed", family="c")
        guest = selftest.wanted_guest("dropin/ring", choice)
        self.assertEqual((guest.ring, guest.layout, guest.family), ("both", "packed", "none"))
        guest = selftest.wanted_guest("blk/io", choice)
        self.assertEqual((guest.ring, guest.layout, guest.family), ("c", "packed", "c"))

    def test_a_layout_that_a_transport_has_not_is_not_asked_of_it(self):
        choice = Choice(layout="packed-in-order")
        self.assertEqual(selftest.wanted_guest("ring/rng@mmio", choice).layout, "")
        self.assertEqual(selftest.wanted_guest("ring/rng@pci", choice).layout, "packed-in-order")

    def test_a_long_script_is_run_by_its_own_name_only(self):
        for name in legs.LOAD.split(","):
            subject, own = name.split("/")
            self.assertTrue(selftest.wanted_guest(name).long)
            for pattern in (name, own + ".sh", f"blk/io,{name}"):
                self.assertIn(name, selftest.scripts(pattern))
            for pattern in ("", subject, f"{subject}/*", "*"):
                self.assertNotIn(name, selftest.scripts(pattern))
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
                ran.append((steps[0][1], options["limit"], options["env"]["RVT_ROUNDS"]))
                return Outcome(self.rundir, error="ended")

        with mock.patch.object(selftest, "Guest", Guest), mock.patch.object(selftest, "say"), \
                mock.patch.object(selftest.stall, "reason", return_value=""), \
                mock.patch.dict("os.environ", ROUNDS="7"):
            for name in ("blk/io", "blk/recover-load"):
                selftest._group(mock.Mock(), selftest.wanted_guest(name), [name], Path(), [], "")
        (short, limit, rounds), (long, long_limit, _) = ran
        self.assertIn("$((600 * RVT_PATIENCE))", short)
        self.assertIn("$((21600 * RVT_PATIENCE))", long)
        self.assertEqual((limit, long_limit, rounds), (3600, 21600, "7"))

    def test_every_description_is_right(self):
        for name in [*selftest.scripts(), *legs.LOAD.split(",")]:
            self.assertIn(selftest.wanted_guest(name).provider(), [*modtree.RINGS, modtree.BOTH])

    def test_the_legs_go_through_both_rings_and_all_layouts(self):
        plan = legs.plan(Choice())
        for leg in plan:
            for part in leg.pattern.split(","):
                self.assertTrue(selftest.scripts(part))
        self.assertEqual(plan[0], Choice())
        self.assertEqual({leg.ring or modtree.DEFAULT_RING for leg in plan}, set(modtree.RINGS))
        self.assertEqual({leg.layout for leg in plan}, {"", *LAYOUTS} - {"split"})
        self.assertEqual(len({leg.name for leg in plan}), len(plan))

    def test_who_asks_for_something_gets_all_of_it_and_nothing_else(self):
        for asked in (Choice(ring="c"), Choice(layout="packed"), Choice(pattern="blk")):
            self.assertEqual(legs.plan(asked), [asked])

    def test_groups_differ_by_ring_and_layout(self):
        guests = [spec.Spec(), spec.Spec(ring="c"), spec.Spec(layout="packed")]
        self.assertEqual(len({guest.key() for guest in guests}), 3)
        self.assertEqual(dataclasses.replace(guests[1], ring="").key(), guests[0].key())


if __name__ == "__main__":
    unittest.main()
