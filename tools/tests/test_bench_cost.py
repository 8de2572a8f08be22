# SPDX-License-Identifier: GPL-2.0
"""Tests of how counted instructions become costs."""

import base64
import collections
import gzip
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

from rvt.bench import builtins, cells, costcells, exits, matrix, phases, plugin, ratio, slopes, symbols
from rvt.bench.variants import WORKS, Variant
from rvt.say import Failure

KALLSYMS = """\
ffffffff81000000 T _text
ffffffff81000100 t native_apic_mem_eoi
ffffffff81000200 t native_apic_mem_write
ffffffff81000300 t pv_native_safe_halt
ffffffff81900000 d some_data
ffffffffa0000000 t vp_notify\t[virtio_pci]
ffffffffa0001000 t virtqueue_add\t[virtio_ring]
ffffffffa0002000 t queue_rq\t[virtio_blk]
ffffffffa0003000 t e1000_clean\t[e1000]
"""

OUTPUT = """\
rvt-plugin 1
phase 1
user 70
b ffffffff81000010 5 100
b ffffffffa0000000 10 2
b ffffffffa0001000 7 20
b ffffffffa0001020 3 10
x hlt ffffffff81000304 4
m w ffffffff81000104 30 apic-msi
m w ffffffff81000204 6 apic-msi
m w ffffffffa0000008 2 virtio-pci-notify-virtio-blk
end 1
phase 2
user 1
b ffffffff81000010 5
"""


class Fake:
    """As much of `Bench` and of a stack as is needed."""

    modules = ["virtio_blk"]

    @staticmethod
    def layer(module: str) -> str:
        """Returns the layer of a module."""
        return {"virtio_blk": "driver", "e1000": "driver", "virtio_ring": "ring",
                "virtio_pci": "transport"}.get(module, "kernel")


def written(text: str) -> dict:
    """Returns what `plugin.read` makes of a text."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "plugin.out"
        path.write_text(text)
        return plugin.read(path)


class Plugin(unittest.TestCase):
    """What the plugin writes."""

    def test_a_phase_that_was_cut_short_is_left_out(self):
        self.assertEqual(list(written(OUTPUT)), [1])

    def test_no_output_is_no_phase(self):
        self.assertEqual(plugin.read(Path("/nonexistent")), {})

    def test_executions_of_a_function_are_those_of_its_first_block(self):
        phase = written(OUTPUT)[1]
        self.assertEqual(phase.entries({0xffffffffa0001000}), 20)
        self.assertEqual(phase.user, 70)


class Symbols(unittest.TestCase):
    """Addresses and names."""

    def test_an_address_within_a_function_is_found(self):
        found = symbols.Symbols(KALLSYMS)
        self.assertEqual(found.find(0xffffffffa0001020), ("virtio_ring", "virtqueue_add"))
        self.assertEqual(found.find(0xffffffff81000000), ("vmlinux", "_text"))

    def test_data_is_no_function(self):
        found = symbols.Symbols(KALLSYMS)
        self.assertEqual(found.find(0xffffffff81900010)[1], "pv_native_safe_halt")

    @staticmethod
    def packed(text: str) -> str:
        """Returns symbols as a guest prints them."""
        return base64.b64encode(gzip.compress(text.encode())).decode()

    def kdir(self, system_map: str = KALLSYMS) -> Path:
        """Returns the directory of a kernel."""
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        top = Path(scratch.name)
        for name, text in (("System.map", system_map), ("include/config/kernel.release", "7.3.4\n"),
                           ("arch/x86/boot/bzImage", "image"),
                           ("modules.order", ""),
                           ("modules.builtin", "kernel/drivers/virtio/virtio_ring.ko\n")):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text)
        return top

    def test_without_a_system_map_they_are_the_guest_s_and_are_kept(self):
        kdir = self.kdir("ffffffffffffffff B The real System.map is elsewhere\n")
        with mock.patch.object(symbols, "OUT", kdir / "out"):
            self.assertEqual(symbols.system_map(kdir), "")
            found = symbols.unpack([self.packed(KALLSYMS)], kdir, [])
            self.assertEqual(found.find(0xffffffff81000104), ("vmlinux", "native_apic_mem_eoi"))
            self.assertEqual(found.find(0xffffffffa0001020), ("virtio_ring", "virtqueue_add"))
            self.assertIn("native_apic_mem_eoi", symbols.system_map(kdir))
            # From now on the guest prints what belongs to modules only; another kernel is asked anew.
            here = "\n".join(line for line in KALLSYMS.splitlines() if "_text" in line)
            found = symbols.unpack([self.packed(here)], kdir, [])
            self.assertEqual(found.find(0xffffffff81000104), ("vmlinux", "native_apic_mem_eoi"))
            self.assertEqual(found.addresses(["virtqueue_add"]), set())
            (kdir / "arch/x86/boot/bzImage").write_text("another")
            self.assertEqual(symbols.system_map(kdir), "")

    def test_functions_of_built_in_modules_are_told_from_the_kernel_s(self):
        kdir = self.kdir()
        tree = kdir / "tree" / "drivers" / "virtio"
        tree.mkdir(parents=True)
        (tree / "Makefile").write_text("obj-$(CONFIG_VIRTIO) += virtio_ring.o\n"
                                       "virtio_ring-y := ring.o \\\n\tmore.o\n")
        (tree / "ring.c").write_text("static inline bool probe(void)\n{\n}\n\nint add(struct a *b,\n"
                                     "\tint c)\n{\n\tother(c);\n}\nint get(void)\n{\n}\n")
        (tree / "more.c").write_text("void\nkick(void)\n{\n}\n")
        text = ["ffffffff81000000 T _text", "ffffffff81000010 t probe", "ffffffff81000018 T other"]
        text += [f"ffffffff810001{n:02x} T far_{n}" for n in range(40)]
        text += ["ffffffff81000200 T add", "ffffffff81000210 t macro_made",
                 "ffffffff81000220 T get.constprop.0", "ffffffff81000230 T kick",
                 "ffffffff81000240 T next", "ffffffff81000300 t add.cold"]
        with mock.patch.object(builtins.source, "ensure", lambda: kdir / "tree"):
            known = builtins.names(kdir, ["virtio_ring", "virtio_net"])
        self.assertEqual(known, {"virtio_ring": {"probe", "add", "get", "kick"}})
        found = symbols.Symbols("\n".join(text), known)
        for address, module in ((0x10, "vmlinux"), (0x18, "vmlinux"), (0x200, "virtio_ring"),
                                (0x210, "virtio_ring"), (0x220, "virtio_ring"), (0x230, "virtio_ring"),
                                (0x240, "vmlinux"), (0x300, "virtio_ring")):
            self.assertEqual(found.find(0xffffffff81000000 + address)[0], module, hex(address))

    def test_symbols_survive_the_channel(self):
        guest = "\n".join(line for line in KALLSYMS.splitlines() if "[" in line or "_text" in line)
        text = self.packed(guest)
        found = symbols.unpack([text[:40], text[40:]], self.kdir(), [])
        self.assertEqual(found.addresses(slopes.NOTIFY), {0xffffffffa0000000})
        self.assertEqual(found.find(0xffffffff81000104), ("vmlinux", "native_apic_mem_eoi"))

    def test_symbols_that_are_cut_short_are_refused(self):
        with self.assertRaises(Failure):
            symbols.unpack([self.packed(KALLSYMS)[:60]], self.kdir(), [])

    def test_a_kernel_at_another_place_is_refused(self):
        moved = KALLSYMS.replace("ffffffff81000000 T _text", "ffffffff82000000 T _text")
        with self.assertRaises(Failure):
            symbols.unpack([self.packed(moved)], self.kdir(), [])

    def test_hidden_addresses_are_refused(self):
        with self.assertRaises(Failure):
            symbols.Symbols("0000000000000000 T _text\n0000000000000000 T start\n")


class Slopes(unittest.TestCase):
    """From phases to the cost of one operation."""

    def setUp(self):
        self.layers = slopes.Layers(Fake, Fake)

    @staticmethod
    def totals(per_op: dict, counts: list, more=(0, 0, 0), irqs: int = 1) -> list:
        """Makes phases that cost the same besides their operations, and `more` in the ring."""
        made = []
        for count, extra in zip(counts, more):
            parts = collections.Counter({key: 1000 + value * count
                                         for key, value in per_op.items()})
            parts["virtio_ring", "virtqueue_add"] += extra
            made.append(slopes.Total(parts, 3 + count, 5 + irqs * count))
        return made

    def cost(self, **more) -> slopes.Cost:
        """Returns the cost of an operation with known parts."""
        per_op = {("virtio_blk", "queue_rq"): 100, ("virtio_ring", "virtqueue_add"): 300,
                  ("virtio_pci", "vp_notify"): 10, ("vmlinux", "submit_bio"): 9000,
                  ("e1000", "e1000_clean"): 50, ("user", ""): 40}
        counts = [100, 200, 300]
        return slopes.cost(counts, self.totals(per_op, counts, **more), self.layers)

    def test_what_a_phase_costs_besides_is_left_out(self):
        found = self.cost()
        self.assertEqual(found.driver_ring, 410)
        self.assertEqual(found.guest, 9500)
        self.assertEqual((found.kicks, found.irqs), (1, 1))
        self.assertTrue(found.straight())

    def test_a_driver_of_another_stack_is_the_kernel(self):
        self.assertEqual(self.layers.layer("e1000"), "kernel")
        self.assertFalse(self.layers.counts("e1000"))

    def test_a_bend_is_noticed(self):
        self.assertTrue(self.cost(more=(0, 0, 100)).straight())
        self.assertFalse(self.cost(more=(0, 0, 300)).straight())

    def test_parts_add_up_to_the_figure(self):
        found = self.cost()
        found.parts["virtio_ring", "tiny"] = 0.25
        for parts in (slopes.by_function(found, self.layers),
                      [p for p in slopes.by_module(found, self.layers)
                       if p["layer"] in ("driver", "ring", "transport")]):
            self.assertAlmostEqual(sum(part["value"] for part in parts), 410.25)
            self.assertEqual(parts[0]["layer"], "ring")

    def test_the_whole_guest_is_named_where_it_is_dear(self):
        found = self.cost()
        found.parts["vmlinux", "cheap"] = 1
        parts = slopes.by_dear_function(found, self.layers)
        self.assertAlmostEqual(sum(part["value"] for part in parts), found.guest)
        self.assertEqual(parts[0]["function"], "submit_bio")
        self.assertNotIn("cheap", [part["function"] for part in parts])

    def test_executions_become_instructions(self):
        found = slopes.total(written(OUTPUT)[1], 2, symbols.Symbols(KALLSYMS))
        self.assertEqual(found.parts["virtio_ring", "virtqueue_add"], 170)
        self.assertEqual(found.parts["user", ""], 70)
        self.assertEqual(found.kicks, 2)


class Reporting(unittest.TestCase):
    """From what guests did to cells."""

    WORK = WORKS["blk-randread-4k-qd1"]

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.report = cells.Report(Path(scratch.name) / "bench.json", {})
        self.bench = types.SimpleNamespace(report=self.report, layer=Fake.layer,
                                           command="make bench")
        said = mock.patch("rvt.bench.cells.say")
        said.start()
        self.addCleanup(said.stop)

    def boot(self, costs: dict, kicks: int = 1) -> types.SimpleNamespace:
        """Returns a guest in which stacks spent so many instructions per operation in the ring."""
        items = []
        for driver, cost in costs.items():
            stack = types.SimpleNamespace(name=f"{driver}-c", driver=driver, ring="c",
                                          modules=["virtio_blk"])
            item = phases.Item(stack, phases.device_for(self.WORK, Variant()), self.WORK,
                               [100, 200])
            for count in item.counts:
                item.phases.append(plugin.Phase(user=count, blocks={
                    (0xffffffffa0001000, 1): 5000 + cost * count,
                    (0xffffffffa0000000, 1): kicks * count}))
                item.irqs.append(7 + count)
            if not cost:
                item.fail(phases.FAILED, "it broke")
            items.append(item)
        return types.SimpleNamespace(items=items, symbols=symbols.Symbols(KALLSYMS))

    def cells(self, *boots, functions: bool = True) -> dict:
        """Returns (driver, metric) -> cell."""
        repeats = costcells.Repeats(self.bench, "cost", functions=functions)
        for number, boot in enumerate(boots):
            repeats.take(boot, number)
        repeats.report()
        return {(cell.driver, cell.metric): cell for cell in self.report.cells}

    def test_repeats_are_compared_round_by_round(self):
        found = self.cells(self.boot({"c": 100, "rust": 80}), self.boot({"c": 100, "rust": 80}))
        cell = found["rust", "instr_driver_ring"]
        self.assertEqual((cell.value, cell.spread, cell.samples), (81, 0, [81, 81]))
        self.assertAlmostEqual(cell.ratio["value"], 81 / 101)
        self.assertIsNone(found["c", "instr_driver_ring"].ratio)
        self.assertEqual(found["rust", "kicks"].value, 1)
        self.assertEqual(found["rust", "instr_guest"].value, 82)

    def test_repeats_that_are_none_say_so(self):
        found = self.cells(self.boot({"c": 100}), self.boot({"c": 102}))
        self.assertIn("too wide to call", found["c", "instr_driver_ring"].note)

    def test_a_short_look_does_not_replace_a_long_one(self):
        self.cells(self.boot({"c": 100}), self.boot({"c": 100}))
        found = self.cells(self.boot({"c": 100, "rust": 90}), functions=False)
        self.assertEqual(len(found["c", "instr_driver_ring"].samples), 2)
        self.assertEqual(len(found["rust", "instr_driver_ring"].samples), 1)
        found = self.cells(self.boot({"c": 100}))
        self.assertEqual(len(found["c", "instr_driver_ring"].samples), 1)

    def test_what_broke_has_a_cell_with_the_reason(self):
        found = self.cells(self.boot({"c": 100, "rust": 0}))
        self.assertIsNone(found["rust", "instr_driver_ring"].value)
        self.assertEqual(found["rust", "instr_driver_ring"].note, "it broke")

    def test_a_stack_that_kicks_in_another_way_does_not_seem_to_kick_never(self):
        found = self.cells(self.boot({"c": 100}, kicks=0))
        self.assertIsNone(found["c", "kicks"].value)
        self.assertIn("another way", found["c", "kicks"].note)


class Verdicts(unittest.TestCase):
    """What may be said of counts."""

    @staticmethod
    def verdict(ours: list, base: list, metric: str = "instr_driver_ring") -> str:
        """Returns what is said of some rounds."""
        return costcells.compare(metric, dict(enumerate(ours)), dict(enumerate(base)))["verdict"]

    def test_counts_that_repeat_are_called(self):
        self.assertEqual(self.verdict([120, 120], [100, 100]), ratio.SLOWER)
        self.assertEqual(self.verdict([90, 90], [100, 100]), ratio.FASTER)
        self.assertEqual(self.verdict([100, 100], [100, 100]), ratio.SAME)

    def test_a_noisy_guest_is_not_called(self):
        self.assertEqual(self.verdict([90, 95], [100, 111], "instr_guest"), ratio.WIDE_SPREAD)

    def test_rounds_that_only_one_had_are_not_compared(self):
        found = costcells.compare("irqs", {1: 2, 2: 4}, {0: 1, 1: 1})
        self.assertEqual(found["samples"], [2])

    def test_nothing_is_compared_with_zero(self):
        self.assertIsNone(costcells.compare("kicks", {0: 1}, {0: 0}))
        self.assertIsNone(costcells.compare("kicks", {0: 1}, {}))


class Exits(unittest.TestCase):
    """What leaves the guest."""

    def test_kinds(self):
        with tempfile.TemporaryDirectory() as scratch:
            top = Path(scratch)
            (top / "System.map").write_text(KALLSYMS)
            (top / "exits.out").write_text(OUTPUT)
            found = exits.read(top, top)[1]
        self.assertEqual(found.kinds, {"hlt": 4, "eoi": 30, "apic": 6, "mmio": 2})
        self.assertEqual(found.total, 12)
        self.assertEqual(found.writes("virtio-pci-notify"), 2)
        self.assertEqual(found.accesses("virtio-pci-notify", "r"), 0)


class Plans(unittest.TestCase):
    """What guests are told to do."""

    def boot(self, work: str, variants: list, counts=(1, 2)) -> phases.Boot:
        """Returns a boot with one item for each variant."""
        stack = types.SimpleNamespace(name="c-c", blk="virtio_blk", net="virtio_net",
                                      modules=["virtio_blk", "virtio_net"], replaces={})
        items = [phases.Item(stack, phases.device_for(WORKS[work], variant), WORKS[work],
                             [factor * WORKS[work].count for factor in counts])
                 for variant in variants]
        return phases.Boot(None, "test", items)

    def test_the_whole_matrix_fits_into_a_guest(self):
        plan = self.boot("net-icmp-echo", matrix.variants(False))._plan()
        places = [line.split()[2] for line in plan.splitlines() if line.startswith("use")]
        self.assertEqual(len(places), 32)
        self.assertEqual(len(set(places)), 32)

    def test_phases_have_numbers_of_their_own(self):
        plan = self.boot("blk-randread-4k-qd32", matrix.variants(True), (1, 2, 3))._plan()
        numbers = [line.split()[2] for line in plan.splitlines() if line.startswith("run")]
        counted = [number for number in numbers if number != "0"]
        self.assertEqual(len(counted), len(set(counted)))

    def test_operations_come_in_whole_batches(self):
        for work in WORKS.values():
            self.assertEqual(work.count % work.many, 0, work.name)

    def test_a_driver_that_refuses_a_feature_is_noticed(self):
        bits = ["0"] * 64
        for bit in (28, 29, 34):
            bits[bit] = "1"
        self.assertEqual(Variant("packed").missing("".join(bits)), [])
        self.assertEqual(Variant("packed-in-order").missing("".join(bits)), ["in_order"])
        self.assertEqual(Variant(indirect=False).missing("".join(bits)),
                         ["packed", "indirect_desc"])
