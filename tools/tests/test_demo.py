# SPDX-License-Identifier: GPL-2.0
"""Tests the demo: harness/demo*.py and harness/guest/kicks.py."""

import types
from pathlib import Path

import pytest

from bench import ratio
from bench.turns import order
from harness.demo import cost as demo_cost
from harness.demo import demo, figures, guest, table
from harness.demo.guest import DRIVERS, TASKS, Findings
from harness.demo.table import Row
from harness.guest import kicks
from harness.say import Failure

#: Rates of six rounds that show no difference.
EVEN = (1.1, 0.9, 1.05, 0.98, 1.02, 0.95)


def findings(speed=EVEN, **counts) -> Findings:
    """Returns what a guest showed in which all went well: Rust at these rates against C at 1."""
    found = Findings(len(speed))
    for family, side in found.sides.items():
        blk, net = DRIVERS[family]
        side.checks = {"mount": "ok", "address by DHCP": "192.0.2.85"}
        side.values = {"driver of the root disk": "rust_virtio_blk", "driver of the NIC": net,
                       "driver of the second disk": blk, "ring": "rust_virtio_ring",
                       "bytes compared": str(3 << 20)}
    for task in TASKS:
        for family in DRIVERS:
            found.samples[task.name, family] = {
                number: {**dict.fromkeys(task.rates, 1000 * (rate if family == "rust" else 1.0)), "ops": 100,
                         "mb": 0.4, "irqs": 100, "kicks": 100, **counts.get(family, {})}
                for number, rate in enumerate(speed)}
    return found


def row(start: str, found: Findings, costs=None, ring: str = "rust") -> Row:
    """Returns the main row whose name begins so."""
    return next(one for one in figures.main_rows(found, costs or {}, ring) if one.name.startswith(start))


@pytest.mark.parametrize("speed, verdict", [
    (EVEN, "no difference"),
    ([1.2, 1.1, 1.3, 1.2, 1.4, 1.1], "Rust is faster"), ([0.8, 0.9, 0.7, 0.8, 0.6, 0.9], "C is faster"),
    # One round the other way, a wide spread, and too few rounds.
    ([0.6, 0.5, 0.6, 0.7, 0.6, 1.1], "no difference (noisy)"),
    ([0.4, 2.5, 1.0, 1.1, 0.9, 1.0], "no difference (noisy)"), ([1.2, 1.3, 1.2], "too few rounds")])
def test_verdict_on_rates(speed, verdict):
    said = row("fio 4k read, depth 1", findings(speed))
    assert said.verdict == verdict
    if speed is EVEN:
        assert (said.c, said.rust) == ("1", "1.000 (0.90 to 1.10)")


def test_a_ratio_is_of_neighbours():
    # A machine that gets slower all the time, the same for both.
    found = findings([1.0] * 6)
    for number in range(6):
        for family in DRIVERS:
            found.samples["disk-1", family][number]["read"] = 1000 / (number + 1)
    said = figures.compare(found, TASKS[0], "read")
    assert (said["value"], said["low"], said["high"]) == (1, 1, 1)


def test_a_round_with_one_half_is_left_out():
    found = findings()
    del found.samples["disk-1", "c"][0]
    assert len(figures.compare(found, TASKS[0], "read")["samples"]) == 5


def test_no_rounds_are_wrong():
    found = findings()
    found.samples.clear()
    said = row("iperf3 to", found)
    assert (said.wrong, said.rust, said.verdict) == (True, "not measured", "FAIL")


@pytest.mark.parametrize("c, rust, verdict", [(100, 50, "-50 %"), (100, 100, "no difference"),
                                              (0, 0, "no difference"), (None, None, "not counted")])
def test_verdict_on_counts_per_operation(c, rust, verdict):
    said = row("kicks per", findings(c={"kicks": c}, rust={"kicks": rust}))
    assert said.verdict == verdict
    if rust == 50:
        assert (said.c, said.rust) == ("1.00", "0.50")


def test_counts_are_of_the_disk_with_several_requests():
    found = findings()
    for task, kicks_ in (("disk-1", 700), ("disk-32", 300)):
        for sample in found.samples[task, "rust"].values():
            sample["kicks"] = kicks_
    said = row("kicks per", found)
    assert (said.name, said.c, said.rust) == ("kicks per 4k I/O, depth 32", "1.00", "3.00")


def test_counts_that_overlap_are_no_difference():
    found = findings()
    for family, values in (("c", (10, 40, 20, 30, 25, 35)), ("rust", (12, 44, 18, 33, 21, 30))):
        for number, value in enumerate(values):
            found.samples["disk-32", family][number]["irqs"] = value
    assert row("interrupts per", found).verdict == "no difference (noisy)"


def test_the_network_is_counted_by_the_megabyte():
    said = next(one for one in figures.more_rows(findings()) if one.name.startswith("iperf3 to the host: kicks per MB"))
    assert said.c == "250"


@pytest.mark.parametrize("ring, costs, c, rust, verdict", [
    ("rust", {("c", "c"): (958, 2111), ("c", "rust"): (717, 1906.5), ("rust", "rust"): (430, 932.8)},
     "717 1,906 958 2,111", "430 933 430 933", "-40_% -51_% -55_% -56_%"),
    ("c", {("c", "c"): (958, 2111), ("rust", "c"): (1002, 1582)}, "958 2,111", "1,002 1,582", "+4.6_% -25_%"),
    ("rust", {}, "", "not_counted", "")])
def test_instructions(ring, costs, c, rust, verdict):
    said = row("instructions", findings(), {stack: dict(zip(demo_cost.WORK, cost)) for stack, cost in costs.items()},
               ring)
    assert [text.replace(" ", "_").split() for text in (said.c, said.rust, said.verdict)] == \
        [c.split(), rust.split(), verdict.split()]
    assert not said.wrong


@pytest.mark.parametrize("ring, built_in, guests", [
    ("rust", False, [("c", "c"), ("c", "rust"), ("rust", "rust")]), ("c", False, [("c", "c"), ("rust", "c")]),
    ("c", True, [("c", "c"), ("rust", "c")])])
def test_guests_for_the_counts(ring, built_in, guests):
    assert demo_cost.wanted(ring, built_in) == guests


@pytest.mark.parametrize("families, changes, rust", [
    ("", {}, "2, all ok\n3 MiB"),
    ("rust", {"mount": "failed"}, "2, 1 ok\n3 MiB"), ("c rust", {"mount": "failed"}, None),
    ("c", {"mount": None}, None), ("c rust", {"address by DHCP": ""}, None),
    ("c rust", {"mount": None, "address by DHCP": None}, None)])
def test_checks_that_fail_or_are_missing_are_wrong(families, changes, rust):
    found = findings()
    for family in families.split():
        checks = {**found.sides[family].checks, **changes}
        found.sides[family].checks = {name: value for name, value in checks.items() if value is not None}
    said = row("checks", found)
    assert said.wrong == bool(changes)
    if rust:
        assert (said.c, said.rust, said.verdict == "the same") == ("2, all ok\n3 MiB", rust, not changes)


def test_values_that_must_be_the_same_are_shown_whole():
    found = findings()
    found.sides["rust"].checks["address by DHCP"] = "192.0.2.86"
    bad = [one for one in figures.check_rows(found) if one.wrong]
    assert [(one.c, one.rust, one.verdict) for one in bad] == [("192.0.2.85", "192.0.2.86", "DIFFERS")]


def test_speed_is_never_wrong():
    rows = figures.main_rows(findings([9.0] * 6, c={"kicks": 900}), {}, "rust")
    assert not any(one.wrong for one in rows)


def test_another_driver_or_ring_than_meant():
    found = findings()
    assert figures.wrong_drivers(found, "rust_virtio_ring") == []
    assert len(figures.wrong_drivers(found, "virtio_ring")) == 2
    found.sides["rust"].values["driver of the NIC"] = "virtio_net"
    wrong = figures.wrong_drivers(found, "rust_virtio_ring")
    assert len(wrong) == 1 and 'driver of the NIC: "virtio_net", not "rust_virtio_net"' in wrong[0]


def test_lines_of_a_cell_stand_below_each_other_and_nothing_is_cut():
    lines = table.text([Row("a\nb", "1\n2", "3\n4", "x"), Row("c", "5", "6", "y")]).splitlines()[2:]
    assert [line.split() for line in lines] == [["a", "1", "3", "x"], ["b", "2", "4"], ["c", "5", "6", "y"]]
    long = "192.0.2.85 " * 9
    assert long.strip() in table.text([Row("a", long, "b", "")])


def test_the_table_and_the_text_above_it_fit():
    works = dict.fromkeys(demo_cost.WORK, 1234567)
    costs = dict.fromkeys((("c", "c"), ("c", "rust"), ("rust", "rust")), works)
    found = findings([0.123, 29.61, 1, 1.05, 1, 1])
    for side in found.sides.values():
        side.values["ring"] = "rust_virtio_ring, built in"
    lines = table.text(figures.main_rows(found, costs, "rust")).splitlines()
    assert len(lines) == 2 + 14
    lines += [*map(demo._method, (1, 6, 99)), *demo._setting(found)]
    assert max(map(len, lines)) <= table.WIDTH


def test_drivers_and_ring_are_those_that_the_guest_saw():
    found = findings()
    found.sides["rust"].values.update({"ring": "virtio_ring", "driver of the NIC": "virtio_net"})
    assert demo._setting(found) == [
        "One guest: root disk on rust_virtio_blk, all queues on virtio_ring.",
        "A second disk had virtio_blk and rust_virtio_blk in turn, a NIC virtio_net and virtio_net."]


def test_few_rounds_claim_no_certainty():
    assert "%" not in demo._method(ratio.ROUNDS - 1)
    assert "95 %" in demo._method(ratio.ROUNDS)


def steps(rounds: int) -> list:
    return guest._steps(order([task.name for task in TASKS], list(DRIVERS), rounds))


def test_families_alternate():
    turns = [command.split()[4] for name, command in steps(4) if name.startswith("disk-32:")]
    c, rust = "virtio_blk", "rust_virtio_blk"
    assert turns == [c, rust, rust, c, c, rust, rust, c]


def test_each_family_reads_what_the_other_wrote():
    names = [name for name, _ in steps(1)]
    assert names[1:5] == ["check:c", "reread:rust", "check:rust", "reread:c"]
    assert names[-1] == "end"


@pytest.fixture
def follower():
    """Returns a reader of the lines of a guest, with its log in `logged`."""
    logged, entry = [], types.SimpleNamespace(task="out", stack="rust", round=1)
    made = guest._Follower(Findings(2), {"out:1:rust": entry}, logged.append)
    made.logged = logged
    yield made
    made.end()


@pytest.mark.parametrize("lines, c, rust", [
    ([("check:rust", "check mount|ok"), ("reread:c", "check mount|failed")], {"mount": "failed"}, {"mount": "ok"}),
    ([("end", "check quiet|ok")], {"quiet": "ok"}, {"quiet": "ok"})])
def test_checks_go_to_their_side(follower, lines, c, rust):
    for line in lines:
        follower.line(*line)
    assert (follower.found.sides["c"].checks, follower.found.sides["rust"].checks) == (c, rust)


def test_samples(follower):
    follower.line("out:1:rust", 'sample {"rate":5.0,"mb":1.0,"irqs":2}')
    assert follower.found.column("out", "rust", lambda s: s["rate"]) == [None, 5.0]


def test_all_lines_are_logged(follower):
    follower.line("prepare", "whatever")
    assert follower.logged == ["prepare: whatever"]


@pytest.mark.parametrize("step, splats, wrong", [
    (("out:1:rust", 0, "skip no iperf3"), [], ["out:1:rust measured nothing: skip no iperf3"]),
    (("prepare", 1, "modprobe x failed"), [("prepare", "BUG: x")],
     ["prepare ended with status 1: modprobe x failed", "the kernel complained during prepare:\nBUG: x"])])
def test_a_step_without_a_figure_or_with_an_error_is_wrong(follower, step, splats, wrong):
    name, status, line = step
    outcome = types.SimpleNamespace(error="", splats=splats, steps=[
        types.SimpleNamespace(name=name, status=status, lines=[line])])
    guest._judge(follower.found, outcome, {"out:1:rust": None} if not status else {})
    assert follower.found.wrong == wrong


@pytest.fixture
def trace(tmp_path):
    """Returns a function that sets marks of a counter of kicks, and writes lines of QEMU after each."""
    log = tmp_path / "trace.log"
    counter = kicks.Kicks(log)

    def marked(**marks) -> kicks.Kicks:
        for mark, lines in marks.items():
            counter.mark(mark)
            with open(log, "a", encoding="ascii") as file:
                file.writelines(f"virtio_{line}\n" for line in lines)
        return counter

    return marked


def test_kicks_of_the_device_that_was_given(trace):
    kick = "queue_notify vdev 0x{} n {} vq 0x1".format
    counter = trace(start=["set_status vdev 0xa val 1", kick("b", 0)],
                    given=[kick("a", 0), kick("b", 0), kick("a", 1)], end=[kick("a", 0)])
    assert counter.device("start", "given") == b"0xa"
    assert counter.count(b"0xa", "given", "end") == 2


def test_two_devices_are_none(trace):
    counter = trace(start=["set_status vdev 0xa val 1", "set_status vdev 0xb val 1"], given=[])
    assert counter.device("start", "given") is None
    assert counter.count(None, "start", "given") is None


def test_marks_that_were_not_set(trace):
    counter = trace(start=[])
    assert counter.device("start", "given") is None
    assert counter.count(b"0xa", "start", "given") is None


@pytest.mark.parametrize("module, asked, ring", [
    ("virtio_mmio", "", ("rust", False)), ("virtio_mmio", "c", ("c", False)), ("virtio_ring", "", ("c", True)),
    ("rust_virtio_ring", "rust", ("rust", True)), ("virtio_ring", "rust", None)])
def test_the_ring_by_what_is_built_in_and_by_choice(kdir, module, asked, ring):
    (kdir / "modules.builtin").write_text(f"kernel/drivers/virtio/{module}.ko\n")
    if ring:
        assert demo._ring(kdir, asked) == ring
    else:
        with pytest.raises(Failure, match="RING=rust cannot be: the C ring is built into"):
            demo._ring(kdir, asked)


def test_missing_programs_and_modules(monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None if name == "socat" else name)
    with pytest.raises(Failure, match="^not installed: socat .make setup.$"):
        demo._check_programs()
    with pytest.raises(Failure, match="made no rust_virtio_net"):
        demo._check_modules([Path("/x/rust_virtqueue.ko"), Path("/x/rust_virtio_blk.ko")])
