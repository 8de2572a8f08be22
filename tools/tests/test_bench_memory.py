# SPDX-License-Identifier: GPL-2.0
"""Tests rvt/bench/{sizes,memory}.py."""

import types
import unittest
from unittest import mock

from rvt.bench import memory, ratio, sizes
from rvt.bench.stacks import Stack


def section(name: str, size: int, *flags: str) -> dict:
    """A section as llvm-readelf describes it."""
    return {"Name": {"Name": name}, "Size": size,
            "Flags": {"Flags": [{"Name": f"SHF_{flag}"} for flag in flags]}}


class SizesTest(unittest.TestCase):
    """What of a module file counts as what."""

    def test_kinds(self):
        found = sizes.count([
            section(".text", 100, "ALLOC", "EXECINSTR"), section(".exit.text", 10, "ALLOC", "EXECINSTR"),
            section(".rodata", 20, "ALLOC"), section(".data", 3, "ALLOC", "WRITE"),
            section(".bss", 4, "ALLOC", "WRITE")])
        self.assertEqual(found, {"text": 110, "rodata": 20, "data": 7})

    def test_what_does_not_stay(self):
        found = sizes.count([
            section(".init.text", 1, "ALLOC", "EXECINSTR"), section(".modinfo", 1, "ALLOC"),
            section("__versions", 1, "ALLOC"), section(".symtab", 1), section(".comment", 1, "MERGE")])
        self.assertEqual(found, {"text": 0, "rodata": 0, "data": 0})

    def test_total(self):
        found = {"a": {"text": 1, "rodata": 2, "data": 4}, "b": {"text": 8, "rodata": 0, "data": 0}}
        self.assertEqual(sizes.total(found, "text"), 9)
        self.assertEqual(sizes.total(found, "all"), 15)

    def test_a_ring_provider_takes_its_place(self):
        depends = {"drv.ko": "bus,virtio_ring", "virtio_ring.ko": "bus",
                   "rust_virtio_ring.ko": "bus", "bus.ko": ""}
        stack = Stack("x", "rust", "", "", ["drv"], "", "")
        files = {name.removesuffix(".ko"): name for name in depends}
        with mock.patch.object(sizes, "output", lambda argv: depends[argv[-1]]):
            self.assertEqual(sizes.closure(stack, files), ["bus", "rust_virtio_ring", "drv"])

    def test_exact_sizes_need_no_rounds(self):
        self.assertEqual(sizes.exactly(9, 10)["verdict"], ratio.FASTER)
        self.assertEqual(sizes.exactly(10, 10)["verdict"], ratio.SAME)


class DevicesTest(unittest.TestCase):
    """Slopes over devices."""

    def test_lists_name_every_device_once(self):
        command = memory._command("blk")(types.SimpleNamespace(blk="drv"))
        lists = command.split()[3:]
        names = [name for group in lists for name in group.split(",")]
        self.assertEqual(sorted(set(names)), sorted(names))
        self.assertEqual(len(names), len(memory.guest()["blk"]))
        self.assertEqual([group.split(",")[0] for group in lists],
                         [memory._first("blk", shape) for shape in memory.SHAPES])

    def test_slopes(self):
        taken = {"blk0": 1000, "blk4": 1000 + 3 * 70, "blk8": 1000 + 768 * 5}
        rounds = types.SimpleNamespace(
            samples=lambda task, stack, field: [None, taken[field], taken[field]])
        added = []
        bench = types.SimpleNamespace(
            stacks=[Stack("c", "c", "", "", [], "b", "n"), Stack("rust", "c", "", "", [], "b", "n")],
            report=types.SimpleNamespace(add=added.append), command="make bench LEGS=memory")
        memory._add(bench, rounds, "blk")
        values = {(cell.workload, cell.driver): cell.value for cell in added}
        self.assertEqual(values["blk-memory-queue", "rust"], 70)
        self.assertEqual(values["blk-memory-request", "c"], 5)
        self.assertEqual(values["blk-memory-device", "c"], 1000)
        self.assertEqual(len(added), 6)


if __name__ == "__main__":
    unittest.main()
