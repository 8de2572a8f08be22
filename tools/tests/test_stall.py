# SPDX-License-Identifier: GPL-2.0
"""Tests harness/guest/stall.py: which guests are run again."""

import types

import pytest

from harness.guest import accel, stall
from harness.guest.spec import Spec
from harness.report.results import Results

IDLE = "[  169.1] rcu: \t2-...!: (1 GPs behind) idle=7270/0/0x0 softirq=24/24 fqs=1 (false positive?)"
TABLES = ("qemu-system-x86_64: system/physmem.c:2678: iotlb_to_section: Assertion "
          "`section_index < d->map.sections_nb' failed.")
BUSY = "[  169.1] rcu: \t2-....: (5249 ticks this GP) idle=72cc/1/0x4000 softirq=24/24 fqs=2624"
NO_BOOT, ENDED = "did not boot within 300 s", "QEMU ended half-way (status -6)"


@pytest.mark.parametrize("files, outcome, reason", [
    # A processor that is idle or busy, and a healthy guest.
    ({"console": IDLE}, {"error": "stuck"}, "false positive"),
    ({"console": IDLE}, {"splats": ["x"]}, "false positive"),
    ({"console": BUSY}, {"error": "stuck"}, ""), ({"console": IDLE}, {}, ""),
    # A boot that ends before the drivers are loaded, and after.
    ({"console": "[ 1.0] x"}, {"error": NO_BOOT}, "boot"),
    ({"console": "rust_virtqueue: loading"}, {"error": NO_BOOT}, ""),
    # QEMU trips over its tables, or over something else.
    ({"console": "", "qemu": TABLES}, {"error": ENDED}, "iotlb"), ({"console": "", "qemu": TABLES}, {}, ""),
    ({"console": "", "qemu": TABLES.replace("iotlb_to_section", "virtio")}, {"error": ENDED}, ""),
    # Under KVM no processor is idle by mistake.
    ({"console": IDLE, "accelerator": "kvm"}, {"error": "stuck"}, "")])
def test_the_reason_to_run_a_guest_again(files, outcome, reason, tmp_path, write, monkeypatch):
    monkeypatch.setattr(accel, "_chosen", files.get("accelerator", "tcg"))
    for name in {"console", "qemu"} & set(files):
        write(f"{name}.log", files[name])
    said = stall.reason(types.SimpleNamespace(**{"error": "", "splats": [], "rundir": tmp_path, **outcome}))
    assert reason in said and bool(said) == bool(reason)


@pytest.mark.parametrize("let_down, allowed, accelerators", [
    (0, True, [""]), (1, True, ["", stall.SINGLE]), (2, True, ["", stall.SINGLE]), (1, False, [""]),
    # One that is in one thread already.
    (1, True, [stall.SINGLE])])
def test_a_guest_is_run_again_once(let_down, allowed, accelerators, tmp_path, monkeypatch):
    booted, results = [], Results("x")

    def boot(wanted):
        booted.append(wanted.accel)
        return types.SimpleNamespace(rundir=tmp_path, number=len(booted))

    monkeypatch.setattr(stall, "reason", lambda outcome: "idle" if outcome.number <= let_down else "")
    outcome, wanted = stall.run(results, "kunit", Spec(accel=accelerators[0]), boot, lambda _: allowed)
    assert (booted, outcome.number, wanted.accel) == (accelerators, len(accelerators), accelerators[-1])
    assert [(test.full_name(), test.result) for test in results.tests] == (
        [("harness:kunit run again", "skip")] * (len(accelerators) - 1))
