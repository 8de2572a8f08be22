# SPDX-License-Identifier: GPL-2.0
"""Tests bench/classic.py."""

import os
import subprocess
import types

import pytest

from bench import Bench, classic, plugin
from bench.stacks import Stack, by_ring
from harness.say import Failure

C = Stack("c", "c", "C", "", ["virtio_net"], "virtio_blk", "virtio_net")


def test_the_emulated_card_shares_the_guest_of_the_first_stack():
    card = classic._card(C)
    assert [stack.driver for stack in by_ring([card, C])["c"]] == ["e1000", "c"]
    assert (card.net, card.modules, C.net) == ("e1000", ["e1000"], "virtio_net")


@pytest.mark.parametrize("iperf3, kvm_counts, measured, why", [
    (True, False, True, "QEMU was built without plugins"), (True, True, True, None),
    (False, False, False, "iperf3 is not installed on the host (make setup)")])
def test_parts_that_are_missing_are_left_out_and_named(iperf3, kvm_counts, measured, why, monkeypatch):
    said, done = [], []
    report = types.SimpleNamespace(skip=lambda what, why: said.append(why))
    streams = types.SimpleNamespace(samples=lambda task, stack, field: [1.0 if kvm_counts else None])

    def refuse():
        raise Failure("QEMU was built without plugins")

    monkeypatch.setattr("shutil.which", lambda name: "/bin/iperf3" if iperf3 else None)
    monkeypatch.setattr(classic.samples, "otherwise_busy", lambda: "")
    monkeypatch.setattr(classic, "_streams", lambda bench, busy: done.append("streams") or streams)
    monkeypatch.setattr(plugin, "build", refuse)
    classic.run(Bench(report, [C], False, None, [], "make bench"))
    assert (said, bool(done)) == ([why] if why else [], measured)


def test_kvm_tells_of_the_right_guest(tmp_path):
    other = subprocess.Popen(["sleep", "60"], cwd=tmp_path)
    try:
        for pid, value in ((os.getpid(), "4711\n"), (other.pid, "1\n")):
            (tmp_path / f"{pid}-12").mkdir()
            (tmp_path / f"{pid}-12" / "exits").write_text(value)
        (tmp_path / "exits").write_text("9\n")
        assert classic.kvm_exits(classic.Path(os.getcwd()), tmp_path) == "4711"
        assert classic.kvm_exits(tmp_path, tmp_path) == "1"
        assert classic.kvm_exits(tmp_path / "nowhere", tmp_path) == ""
        assert classic.kvm_exits(tmp_path, tmp_path / "nowhere") == ""
    finally:
        other.kill()
        other.wait()


def test_exits_for_an_amount_and_for_a_second(report):
    stacks = [classic._card(C), C]

    def rounds(**fields):
        return types.SimpleNamespace(samples=lambda task, stack, field: fields[field],
                                     by_stack=lambda task, field: {stack.name: fields[field] for stack in stacks})

    bench = types.SimpleNamespace(stacks=stacks, command="make bench LEGS=classic", report=report)
    counted = rounds(total=[320, None, 640], mb=[16.0, 16.0, 16.0],
                     kinds=[{"mmio": 320}, None, {"mmio": 600, "hlt": 40, "eoi": 9}])
    classic._add_counts(bench, rounds(mbit_s=[80.0, 160.0, None]), counted, "out", "")
    found = {(result.device, result.unit): result for result in report.results}
    per_mb, per_second = found["virtio-net-pci", "exits/MB"], found["virtio-net-pci", "exits/s"]
    assert (per_mb.value, per_mb.samples) == (30, [20, 40])
    assert per_second.value == 30 * 15
    assert {part["module"] for part in per_mb.breakdown} == {"mmio", "hlt"}
    assert (per_mb.options["per"], per_second.options["per"]) == ("MB", "second")
    assert found["e1000", "exits/MB"].ring == ""
    assert len(report.results) == 4


def test_streams_beside_the_emulated_card(report):
    rounds = types.SimpleNamespace(
        samples=lambda task, stack, field: [None],
        by_stack=lambda task, field: {"e1000-c": [10.0, 10.0], "c-c": [40.0, 40.0]})
    classic._add(types.SimpleNamespace(stacks=[classic._card(C), C], command="make bench", report=report), rounds,
                 "out", "")
    added = report.results
    assert {result.unit for result in added} == {"Mbit/s", "interrupts/s", "interrupts/MB"}
    assert added[1].note == "4.00 of the e1000's. Back end: TAP, without vhost."
    assert added[0].ratio["value"] == 0.25 and added[1].ratio is None
    assert added[0].options == {"vcpus": 1}
