# SPDX-License-Identifier: GPL-2.0
"""Tests of how counted instructions become costs."""

import base64
import collections
import gzip
import types
from pathlib import Path

import pytest

from bench import builtins, costcells, exits, matrix, phases, plugin, ratio, slopes, symbols
from bench.variants import WORKS, Variant
from harness.say import Failure

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
bench-plugin 1
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

LAYER = {"virtio_blk": "driver", "e1000": "driver", "virtio_ring": "ring", "virtio_pci": "transport"}
#: Instructions of an operation.
PER_OP = {("virtio_blk", "queue_rq"): 100, ("virtio_ring", "virtqueue_add"): 300, ("virtio_pci", "vp_notify"): 10,
          ("vmlinux", "submit_bio"): 9000, ("e1000", "e1000_clean"): 50, ("user", ""): 40}
WORK = WORKS["blk-randread-4k-qd1"]


def layer(module: str) -> str:
    return LAYER.get(module, "kernel")


LAYERS = slopes.Layers(types.SimpleNamespace(layer=layer), types.SimpleNamespace(modules=["virtio_blk"]))


@pytest.fixture
def output(tmp_path):
    """Returns the phases that the plugin has written."""
    (tmp_path / "plugin.out").write_text(OUTPUT)
    return plugin.read(tmp_path / "plugin.out")


def test_output_of_the_plugin(output):
    assert list(output) == [1]  # The other phase was cut short.
    assert output[1].entries({0xffffffffa0001000}) == 20  # Those of the first block.
    assert output[1].user == 70
    assert plugin.read(Path("/nonexistent")) == {}


def test_an_address_within_a_function_is_found_and_data_is_no_function():
    found = symbols.Symbols(KALLSYMS)
    assert found.find(0xffffffffa0001020) == ("virtio_ring", "virtqueue_add")
    assert found.find(0xffffffff81000000) == ("vmlinux", "_text")
    assert found.find(0xffffffff81900010)[1] == "pv_native_safe_halt"


def packed(text: str) -> str:
    """Returns symbols as a guest prints them."""
    return base64.b64encode(gzip.compress(text.encode())).decode()


@pytest.fixture
def kdir(tmp_path) -> Path:
    for name, text in (("System.map", KALLSYMS), ("include/config/kernel.release", "7.3.4\n"),
                       ("arch/x86/boot/bzImage", "image"), ("modules.order", ""),
                       ("modules.builtin", "kernel/drivers/virtio/virtio_ring.ko\n")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_without_a_system_map_symbols_are_the_guest_s_and_are_kept(kdir, monkeypatch):
    (kdir / "System.map").write_text("ffffffffffffffff B The real System.map is elsewhere\n")
    monkeypatch.setattr(symbols, "OUT", kdir / "out")
    assert symbols.system_map(kdir) == ""
    found = symbols.unpack([packed(KALLSYMS)], kdir, [])
    assert found.find(0xffffffff81000104) == ("vmlinux", "native_apic_mem_eoi")
    assert found.find(0xffffffffa0001020) == ("virtio_ring", "virtqueue_add")
    assert "native_apic_mem_eoi" in symbols.system_map(kdir)
    # From now on the guest prints what belongs to modules only; another kernel is asked anew.
    here = "\n".join(line for line in KALLSYMS.splitlines() if "_text" in line)
    found = symbols.unpack([packed(here)], kdir, [])
    assert found.find(0xffffffff81000104) == ("vmlinux", "native_apic_mem_eoi")
    assert found.addresses(["virtqueue_add"]) == set()
    (kdir / "arch/x86/boot/bzImage").write_text("another")
    assert symbols.system_map(kdir) == ""


def test_functions_of_built_in_modules_are_told_from_the_kernel_s(kdir, monkeypatch):
    tree = kdir / "tree" / "drivers" / "virtio"
    tree.mkdir(parents=True)
    (tree / "Makefile").write_text("obj-$(CONFIG_VIRTIO) += virtio_ring.o\nvirtio_ring-y := ring.o \\\n\tmore.o\n")
    (tree / "ring.c").write_text("static inline bool probe(void)\n{\n}\n\nint add(struct a *b,\n"
                                 "\tint c)\n{\n\tother(c);\n}\nint get(void)\n{\n}\n")
    (tree / "more.c").write_text("void\nkick(void)\n{\n}\n")
    monkeypatch.setattr(builtins.source, "ensure", lambda: kdir / "tree")
    known = builtins.names(kdir, ["virtio_ring", "virtio_net"])
    assert known == {"virtio_ring": {"probe", "add", "get", "kick"}}
    text = ["ffffffff81000000 T _text", "ffffffff81000010 t probe", "ffffffff81000018 T other",
            *[f"ffffffff810001{n:02x} T far_{n}" for n in range(40)],
            "ffffffff81000200 T add", "ffffffff81000210 t macro_made", "ffffffff81000220 T get.constprop.0",
            "ffffffff81000230 T kick", "ffffffff81000240 T next", "ffffffff81000300 t add.cold"]
    found = symbols.Symbols("\n".join(text), known)
    assert [found.find(0xffffffff81000000 + address)[0] for address in
            (0x10, 0x18, 0x200, 0x210, 0x220, 0x230, 0x240, 0x300)] == \
        ["vmlinux", "vmlinux", *["virtio_ring"] * 4, "vmlinux", "virtio_ring"]


def test_symbols_survive_the_channel(kdir):
    text = packed("\n".join(line for line in KALLSYMS.splitlines() if "[" in line or "_text" in line))
    found = symbols.unpack([text[:40], text[40:]], kdir, [])
    assert found.addresses(slopes.NOTIFY) == {0xffffffffa0000000}
    assert found.find(0xffffffff81000104) == ("vmlinux", "native_apic_mem_eoi")


HIDDEN = "0000000000000000 T _text\n0000000000000000 T start\n"


@pytest.mark.parametrize("text", [
    packed(KALLSYMS)[:60], packed(KALLSYMS.replace("ffffffff81000000 T _text", "ffffffff82000000 T _text")),
    packed(HIDDEN)], ids=["cut short", "at another place", "hidden"])
def test_symbols_that_cannot_be_right_are_refused(text, kdir):
    with pytest.raises(Failure):
        symbols.unpack([text], kdir, [])
    with pytest.raises(Failure, match="hide"):
        symbols.Symbols(HIDDEN)


def cost(more=(0, 0, 0)) -> slopes.Cost:
    """Returns the cost of phases that cost the same besides their operations, and `more` in the ring."""
    counts, totals = [100, 200, 300], []
    for count, extra in zip(counts, more):
        parts = collections.Counter({key: 1000 + value * count for key, value in PER_OP.items()})
        parts["virtio_ring", "virtqueue_add"] += extra
        totals.append(slopes.Total(parts, 3 + count, 5 + count))
    return slopes.cost(counts, totals, LAYERS)


def test_other_costs_of_a_phase_are_left_out_and_a_bend_is_noticed():
    found = cost()
    assert (found.driver_ring, found.guest, found.kicks, found.irqs) == (410, 9500, 1, 1)
    assert [cost((0, 0, more)).straight() for more in (0, 100, 300)] == [True, True, False]


def test_a_driver_of_another_stack_is_the_kernel():
    assert (LAYERS.layer("e1000"), LAYERS.counts("e1000")) == ("kernel", False)


def test_parts_add_up_to_the_figure():
    found = cost()
    found.instructions["virtio_ring", "tiny"] = 0.25
    for parts in (slopes.by_function(found, LAYERS), slopes.by_module(found, LAYERS)):
        assert sum(part["value"] for part in parts) == pytest.approx(410.25)
        assert [part["layer"] for part in parts[:1]] == ["ring"]
    assert "tiny" not in [part["function"] for part in slopes.by_function(found, LAYERS)]


def test_the_whole_guest_is_named_where_it_is_dear():
    found = cost()
    found.instructions["vmlinux", "cheap"] = 1
    parts = slopes.by_dear_function(found, LAYERS)
    assert sum(part["value"] for part in parts) == pytest.approx(found.guest)
    assert parts[0]["function"] == "submit_bio"
    assert "cheap" not in [part["function"] for part in parts]


def test_functions_of_one_readable_name_stay_two(monkeypatch):
    monkeypatch.setattr(slopes, "demangle", lambda names: dict.fromkeys(names, "same"))
    found = cost()
    found.instructions["virtio_ring", "other"] = 20
    assert sum(part["value"] for part in slopes.by_function(found, LAYERS)) == pytest.approx(430)


def test_executions_become_instructions(output):
    found = slopes.total(output[1], 2, symbols.Symbols(KALLSYMS))
    assert found.instructions["virtio_ring", "virtqueue_add"] == 170
    assert found.instructions["user", ""] == 70
    assert found.kicks == 2


@pytest.fixture
def bench(report):
    return types.SimpleNamespace(report=report, layer=layer, command="make bench")


def boot(costs: dict, kicks: int = 1) -> types.SimpleNamespace:
    """Returns a guest in which drivers spent so many instructions per operation in the ring; 0 is one that broke."""
    items = []
    for driver, instructions in costs.items():
        stack = types.SimpleNamespace(name=f"{driver}-c", driver=driver, ring="c", modules=["virtio_blk"])
        item = phases.Item(stack, WORK.device(Variant()), WORK, [100, 200])
        for count in item.counts:
            item.phases.append(plugin.Phase(user=count, blocks={
                (0xffffffffa0001000, 1): 5000 + instructions * count, (0xffffffffa0000000, 1): kicks * count}))
            item.irqs.append(7 + count)
        if not instructions:
            item.fail(phases.FAILED, "it broke")
        items.append(item)
    return types.SimpleNamespace(items=items, symbols=symbols.Symbols(KALLSYMS))


def reported(bench, *boots, functions: bool = True) -> dict:
    """Returns (driver, metric) -> result."""
    repeats = costcells.Repeats(bench, "cost", functions=functions)
    for number, one in enumerate(boots):
        repeats.take(one, number)
    repeats.report()
    return {(result.driver, result.metric): result for result in bench.report.results}


def test_repeats_are_compared_round_by_round(bench):
    found = reported(bench, boot({"c": 100, "rust": 80}), boot({"c": 100, "rust": 80}))
    result = found["rust", "instr_driver_ring"]
    assert (result.value, result.spread, result.samples) == (81, 0, [81, 81])
    assert result.ratio["value"] == pytest.approx(81 / 101)
    assert found["c", "instr_driver_ring"].ratio is None
    assert (found["rust", "kicks"].value, found["rust", "instr_guest"].value) == (1, 82)


def test_repeats_that_are_none_say_so(bench):
    found = reported(bench, boot({"c": 100}), boot({"c": 102}))
    assert "too wide to call" in found["c", "instr_driver_ring"].note


def test_a_short_look_does_not_replace_a_long_one(bench):
    reported(bench, boot({"c": 100}), boot({"c": 100}))
    found = reported(bench, boot({"c": 100, "rust": 90}), functions=False)
    assert [len(found[driver, "instr_driver_ring"].samples) for driver in ("c", "rust")] == [2, 1]
    assert len(reported(bench, boot({"c": 100}))["c", "instr_driver_ring"].samples) == 1


def test_a_measurement_that_broke_has_a_cell_with_the_reason(bench):
    found = reported(bench, boot({"c": 100, "rust": 0}))
    result = found["rust", "instr_driver_ring"]
    assert (result.value, result.note) == (None, "it broke")


def test_a_stack_that_kicks_in_another_way_does_not_seem_to_kick_never(bench):
    result = reported(bench, boot({"c": 100}, kicks=0))["c", "kicks"]
    assert result.value is None and "another way" in result.note


@pytest.mark.parametrize("ours, base, metric, verdict", [
    ([120, 120], [100, 100], "instr_driver_ring", ratio.SLOWER),
    ([90, 90], [100, 100], "instr_driver_ring", ratio.FASTER),
    ([100, 100], [100, 100], "instr_driver_ring", ratio.SAME),
    ([90, 95], [100, 111], "instr_guest", ratio.WIDE_SPREAD)])
def test_verdict_on_rounds_of_counts(ours, base, metric, verdict):
    assert costcells.compare(metric, dict(enumerate(ours)), dict(enumerate(base)))["verdict"] == verdict


def test_rounds_that_only_one_had_are_not_compared_nor_is_zero():
    assert costcells.compare("irqs", {1: 2, 2: 4}, {0: 1, 1: 1})["samples"] == [2]
    assert costcells.compare("kicks", {0: 1}, {0: 0}) is None
    assert costcells.compare("kicks", {0: 1}, {}) is None


def test_kinds_of_exits(tmp_path):
    (tmp_path / "System.map").write_text(KALLSYMS)
    (tmp_path / "exits.out").write_text(OUTPUT)
    found = exits.read(tmp_path, tmp_path)[1]
    assert found == {"hlt": 4, "eoi": 30, "apic": 6, "mmio": 2}
    assert exits.total(found) == 12


def plan(work: str, variants: list, counts=(1, 2)) -> list:
    """Returns the plan of a guest with one item for each variant, line by line."""
    stack = types.SimpleNamespace(name="c-c", blk="virtio_blk", net="virtio_net", replaces={},
                                  modules=["virtio_blk", "virtio_net"])
    items = [phases.Item(stack, WORKS[work].device(variant), WORKS[work],
                         [factor * WORKS[work].count for factor in counts]) for variant in variants]
    return [line.split() for line in phases.Boot(None, "test", items)._plan().splitlines()]


def test_the_whole_matrix_fits_into_a_guest():
    places = [line[2] for line in plan("net-icmp-echo", matrix.variants(False)) if line[0] == "use"]
    assert len(places) == len(set(places)) == 32


def test_phases_have_numbers_of_their_own():
    lines = plan("blk-randread-4k-qd32", matrix.variants(True), (1, 2, 3))
    counted = [line[2] for line in lines if line[0] == "run" and line[2] != "0"]
    assert len(counted) == len(set(counted)) > 0


def test_operations_come_in_whole_batches():
    assert [work.name for work in WORKS.values() if work.count % work.many] == []


def test_a_driver_that_refuses_a_feature_is_noticed():
    bits = "".join("1" if bit in (28, 29, 34) else "0" for bit in range(64))
    assert Variant("packed").missing(bits) == []
    assert Variant("packed-in-order").missing(bits) == ["in_order"]
    assert sorted(Variant(indirect=False).missing(bits)) == ["indirect_desc", "packed"]
