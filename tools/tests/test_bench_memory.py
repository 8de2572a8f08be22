# SPDX-License-Identifier: GPL-2.0
"""Tests bench/{sizes,memory}.py."""

import types

from bench import memory, sizes
from bench.stacks import Stack


def section(name: str, size: int, *flags: str) -> dict:
    """Returns a section as llvm-readelf describes it."""
    return {"Name": {"Name": name}, "Size": size, "Flags": {"Flags": [{"Name": f"SHF_{flag}"} for flag in flags]}}


def test_kinds_of_sections():
    assert sizes.count([
        section(".text", 100, "ALLOC", "EXECINSTR"), section(".exit.text", 10, "ALLOC", "EXECINSTR"),
        section(".rodata", 20, "ALLOC"), section(".data", 3, "ALLOC", "WRITE"),
        section(".bss", 4, "ALLOC", "WRITE")]) == {"text": 110, "rodata": 20, "data": 7}


def test_sections_that_do_not_stay():
    assert sizes.count([
        section(".init.text", 1, "ALLOC", "EXECINSTR"), section(".modinfo", 1, "ALLOC"),
        section("__versions", 1, "ALLOC"), section(".symtab", 1), section(".comment", 1, "MERGE")]) == \
        {"text": 0, "rodata": 0, "data": 0}


def test_total_of_modules():
    found = {"a": {"text": 1, "rodata": 2, "data": 4}, "b": {"text": 8, "rodata": 0, "data": 0}}
    assert [sizes.total(sizes.parts(found, kind)) for kind in ("text", "all")] == [9, 15]


def test_a_ring_provider_takes_its_place(monkeypatch):
    depends = {"drv.ko": "bus,virtio_ring", "virtio_ring.ko": "bus", "rust_virtio_ring.ko": "bus", "bus.ko": ""}
    monkeypatch.setattr(sizes, "output", lambda argv: depends[argv[-1]])
    files = {name.removesuffix(".ko"): name for name in depends}
    assert sizes.closure(Stack("x", "rust", "", "", ["drv"], "", ""), files) == ["bus", "rust_virtio_ring", "drv"]


def test_lists_of_devices_name_every_one_once():
    lists = memory._command("blk")(types.SimpleNamespace(blk="drv")).split()[3:]
    names = [name for group in lists for name in group.split(",")]
    assert sorted(set(names)) == sorted(names)
    assert len(names) == len(memory.guest()["blk"])
    assert [group.split(",")[0] for group in lists] == [memory._first("blk", shape) for shape in memory.SHAPES]


def test_slopes_over_devices(report):
    taken = {"blk0": 1000, "blk4": 1000 + 3 * 70, "blk8": 1000 + 768 * 5}
    stacks = [Stack(driver, "c", "", "", [], "b", "n") for driver in ("c", "rust")]
    rounds = types.SimpleNamespace(
        by_stack=lambda task, field: {stack.name: [None, taken[field], taken[field]] for stack in stacks})
    memory._add(types.SimpleNamespace(stacks=stacks, report=report, command="make bench LEGS=memory"), rounds, "blk")
    values = {(result.workload, result.driver): result.value for result in report.results}
    assert values["blk-memory-queue", "rust"] == 70
    assert values["blk-memory-request", "c"] == 5
    assert values["blk-memory-device", "c"] == 1000
    assert len(report.results) == 6
