# SPDX-License-Identifier: GPL-2.0
"""Tests of how guests get their ring provider, its layout and their transport."""

import dataclasses
import re
from pathlib import Path
from unittest import mock

import pytest

from harness.build import modtree
from harness.guest import qemu, spec, stall
from harness.guest.machine import Outcome, Step
from harness.guest.spec import Spec
from harness.guest.transport import LAYOUTS, TRANSPORTS
from harness.say import Failure
from harness.suites import legs, selftest
from harness.suites.selftest import Choice


@pytest.mark.parametrize("ring, built_in, modules", [
    ("c", False, {"virtio_ring", "virtio"}), ("rust", False, {"rust_virtio_ring", "virtio"}),
    # modprobe chooses.
    ("both", False, {"virtio_ring", "rust_virtio_ring", "virtio"}),
    ("c", True, {"virtio"}), ("rust", True, {"virtio"}), ("both", True, {"virtio"}),
    # A provider that was not built is missed.
    ("rust", None, None), ("both", None, None)])
def test_modules_of_a_guest(ring, built_in, modules, kdir, tmp_path, write, monkeypatch):
    names = ["virtio"] if built_in else ["virtio_ring", "virtio"]
    for name in names:
        (kdir / f"{name}.ko").touch()
    (kdir / "modules.order").write_text("".join(f"{name}.o\n" for name in names))
    (kdir / "modules.builtin").write_text("kernel/drivers/virtio/virtio_ring.ko\n" if built_in else "")
    ours = [] if built_in is None else [write("rust_virtio_ring.ko")]
    monkeypatch.setattr(modtree, "run", mock.Mock())
    if modules is None:
        with pytest.raises(Failure, match="rust_virtio_ring.ko is neither"):
            modtree.build(kdir, ours, tmp_path / "dest", tmp_path / "log", ring)
    else:
        top = modtree.build(kdir, ours, tmp_path / "dest", tmp_path / "log", ring)
        assert {path.stem for path in top.glob("*/*.ko")} == modules


@pytest.mark.parametrize("fields, there, absent", [
    ({}, ["virtio-blk-pci,id=blk0,", "bus=port-blk0", "virtio-net-pci,id=net0,", "bus=port-net0",
          "virtio-rng-pci,id=rng,", "bus=port-rng", "-object o -device pcie-root-port,id=port-rng"],
     ["virtio-device."]),
    ({"layout": "split"}, [], ["virtio-device."]),
    # Layouts are of all devices, and of those to come.
    ({"layout": "packed-in-order"}, ["-global virtio-device.packed=on", "-global virtio-device.in_order=on"], []),
    ({"transport": "legacy"}, 3 * ["bus=pcie.0,disable-modern=on,disable-legacy=off"], ["pcie-root-port"]),
    ({"transport": "transitional"}, ["virtio-rng-pci-transitional,id=rng,bus=pcie.0"], []),
    ({"transport": "mmio"}, ["virtio-net-device,id=net0,netdev=net0", "-global virtio-mmio.force-legacy=off"],
     ["pci", "vectors", "bus="])], ids=["PCI", "split", "packed in order", "legacy", "transitional", "MMIO"])
def test_command_line_of_qemu(fields, there, absent, tmp_path):
    guest = Spec(blk=[{"size": "1M"}], net=[{"queues": 2}],
                 devices=[{"kind": "rng", "id": "rng", "before": ["-object", "o"]}], **fields)
    line = qemu.CommandLine(guest, tmp_path, tmp_path, "tcg", tmp_path / "log")
    line.disk(0)
    line.nic(0, "tap0")
    line.device(0)
    text = " ".join(line.finish())
    for word in there:
        assert text.count(word) == there.count(word), word
    assert [word for word in absent if word in text] == []


@pytest.mark.parametrize("layout", ["", "packed", "in-order"])
def test_a_list_of_buffers_in_order_is_in_memory_of_its_own(layout, tmp_path):
    line = qemu.CommandLine(Spec(layout=layout), tmp_path, tmp_path, "tcg", tmp_path / "log")
    assert line.env() == ({"LD_PRELOAD": f"{tmp_path}/calloc.so"} if layout == "in-order" else {})
    assert (tmp_path / "calloc.so").exists() == (layout == "in-order")


@pytest.mark.parametrize("wrong", [{"ring": "cc"}, {"layout": "flat"}, {"transport": "ccw"}, {"root": "nfs"},
                                   {"devices": [{"name": "rng"}]}, {"transport": "mmio", "layout": "in-order"}])
def test_descriptions_are_checked(wrong):
    with pytest.raises(Failure):
        Spec(**wrong)


@pytest.mark.parametrize("name", TRANSPORTS)
def test_the_module_of_the_transport_comes_first(name):
    assert Spec(transport=name).load()[0] == TRANSPORTS[name].module


def test_a_script_with_cases_has_a_name_for_each():
    assert "net/traffic-packed" in selftest.scripts("net/traffic-*")
    assert "net/traffic" not in selftest.scripts()
    assert selftest.scripts("traffic-packed") == ["net/traffic-packed"]
    assert selftest.wanted_guest("net/traffic-packed").net[0].props == {"packed": "on"}
    assert re.search(r"^cd \S+/net && timeout -k 10 9 sh ./traffic.sh N12 N22$",
                     selftest.command("net/traffic-packed", "9"))
    with pytest.raises(Failure):
        selftest.command("net/traffic-nosuch", "9")


def test_a_script_for_several_transports_has_several_names():
    assert "ring/rng@mmio" in selftest.scripts("ring/rng")
    assert selftest.scripts("ring/rng@mmio") == ["ring/rng@mmio"]
    assert selftest.wanted_guest("ring/rng@mmio").transport == "mmio"


@pytest.mark.parametrize("script, layout, guest", [
    # A choice does not replace what a script says, nor ask a transport for a layout that it has not.
    ("dropin/ring", "packed", ("both", "packed", "none")), ("blk/io", "packed", ("c", "packed", "c")),
    ("ring/rng@mmio", "packed-in-order", ("c", "", "c")),
    ("ring/rng@pci", "packed-in-order", ("c", "packed-in-order", "c"))])
def test_a_guest_by_choice(script, layout, guest):
    made = selftest.wanted_guest(script, Choice(ring="c", layout=layout, family="c"))
    assert (made.ring, made.layout, made.family) == guest


@pytest.mark.parametrize("name", legs.LOAD.split(","))
def test_a_long_script_is_run_by_its_own_name_only(name):
    subject, own = name.split("/")
    assert selftest.wanted_guest(name).long
    for pattern in (name, own + ".sh", f"blk/io,{name}"):
        assert name in selftest.scripts(pattern)
    for pattern in ("", subject, f"{subject}/*", "*"):
        assert name not in selftest.scripts(pattern)
    with pytest.raises(Failure, match="no selftest matches"):
        selftest.scripts("blk/recover-*")


def test_a_long_script_has_the_time_and_is_told_how_much_to_do(monkeypatch):
    guest = mock.Mock(rundir=Path("none"), prepare=[], actions={})
    guest.run.return_value = Outcome(guest.rundir, error="ended")
    monkeypatch.setattr(selftest, "Guest", lambda *_: guest)
    monkeypatch.setattr(selftest, "say", mock.Mock())
    monkeypatch.setattr(selftest.stall, "reason", lambda _: "")
    monkeypatch.setenv("ROUNDS", "7")
    for name, limit, seconds in (("blk/io", 900, 3600), ("blk/recover-load", 21600, 21600)):
        selftest.run_guest(mock.Mock(), selftest.wanted_guest(name), [name], Path(), [], "")
        steps, options = guest.run.call_args
        assert f"$(({limit} * HARNESS_PATIENCE))" in steps[0][0][1]
        assert (options["limit"], options["env"]["HARNESS_ROUNDS"]) == (seconds, "7")


def test_scripts_left_over_stay_in_one_thread(monkeypatch):
    booted, names = [], ["blk/io", "blk/limits", "blk/remove"]

    def boot(left, _kdir, _ours, wanted):
        # The first is let down before a script, and each other one dies in its first script.
        booted.append((list(left), wanted.accel))
        steps = [Step(left[0], ["ok 1 - a", "1..1"], None, 0)] if booted[1:] else []
        return Outcome(Path("none"), steps, error="ended")

    monkeypatch.setattr(selftest, "_boot", boot)
    monkeypatch.setattr(selftest.stall, "reason", lambda _: "idle")
    monkeypatch.setattr(selftest.stall, "warn", mock.Mock())
    selftest.run_guest(mock.Mock(), Spec(), names, Path(), [], "")
    assert booted == [(names, ""), *((names[number:], stall.SINGLE) for number in range(3))]


def test_every_description_is_right():
    for name in [*selftest.scripts(), *legs.LOAD.split(",")]:
        assert selftest.wanted_guest(name).provider() in [*modtree.RINGS, modtree.BOTH], name


def test_the_legs_go_through_both_rings_and_all_layouts():
    plan = legs.plan(Choice())
    for leg in plan:
        for part in leg.pattern.split(","):
            assert selftest.scripts(part)
    assert plan[0] == Choice()
    assert {leg.ring or modtree.DEFAULT_RING for leg in plan} == set(modtree.RINGS)
    assert {leg.layout for leg in plan} == {"", *LAYOUTS} - {"split"}
    assert len({leg.name for leg in plan}) == len(plan)


@pytest.mark.parametrize("asked", [Choice(ring="c"), Choice(layout="packed"), Choice(pattern="blk")])
def test_a_choice_is_the_whole_plan(asked):
    assert legs.plan(asked) == [asked]


def test_groups_differ_by_ring_and_layout():
    guests = [spec.Spec(), spec.Spec(ring="c"), spec.Spec(layout="packed")]
    assert len({guest.key() for guest in guests}) == 3
    assert dataclasses.replace(guests[1], ring="").key() == guests[0].key()
