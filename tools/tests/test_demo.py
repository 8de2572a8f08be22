# SPDX-License-Identifier: GPL-2.0
"""Tests the demo: harness/demo*.py and harness/guest/kicks.py."""

import types
import unittest
from pathlib import Path
from unittest import mock

from bench import ratio
from harness.demo import cost, demo, figures, guest, table
from harness.demo.guest import DRIVERS, TASKS, Findings
from harness.demo.table import Row
from harness.guest import kicks
from harness.say import Failure

#: Rates of six rounds that show no difference.
EVEN = (1.1, 0.9, 1.05, 0.98, 1.02, 0.95)


def findings(speed=EVEN, rounds: int = 6, **counts) -> Findings:
    """Returns what a guest showed in which all went well: Rust at these rates against C at 1."""
    found = Findings(rounds)
    for family, side in found.sides.items():
        blk, net = DRIVERS[family]
        side.checks = {"mount": "ok", "address by DHCP": "192.0.2.85"}
        side.values = {"driver of the root disk": "rust_virtio_blk", "driver of the NIC": net,
                       "driver of the second disk": blk, "ring": "rust_virtio_ring",
                       "bytes compared": str(3 << 20)}
    for task in TASKS:
        for family in DRIVERS:
            rates = speed if family == "rust" else [1.0] * rounds
            found.samples[task.name, family] = {
                number: {**dict.fromkeys(task.rates, 1000 * rate), "ops": 100, "mb": 0.4,
                         "irqs": 100, "kicks": 100, **counts.get(family, {})}
                for number, rate in enumerate(rates[:rounds])}
    return found


def row(rows: list, start: str) -> Row:
    """Returns the row whose name begins so."""
    return next(one for one in rows if one.name.startswith(start))


class Rates(unittest.TestCase):
    """What is concluded from rates."""

    def said(self, speed, rounds: int = 6) -> Row:
        found = findings(speed, rounds)
        return row(figures.main_rows(found, {}, "rust"), "fio 4k read, depth 1")

    def test_a_spread_that_covers_1_is_no_difference(self):
        said = self.said(EVEN)
        assert said.verdict == "no difference"
        assert (said.c, said.rust) == ("1", "1.000 (0.90 to 1.10)")

    def test_a_difference_in_all_rounds_is_called(self):
        assert self.said([1.2, 1.1, 1.3, 1.2, 1.4, 1.1]).verdict == "Rust is faster"
        assert self.said([0.8, 0.9, 0.7, 0.8, 0.6, 0.9]).verdict == "C is faster"

    def test_one_round_the_other_way_is_no_difference(self):
        assert self.said([0.6, 0.5, 0.6, 0.7, 0.6, 1.1]).verdict == "no difference (noisy)"

    def test_a_wide_spread_says_so(self):
        assert self.said([0.4, 2.5, 1.0, 1.1, 0.9, 1.0]).verdict == "no difference (noisy)"

    def test_too_few_rounds_say_nothing(self):
        said = self.said([1.2, 1.3, 1.2], 3)
        assert said.verdict == "too few rounds"

    def test_a_ratio_is_of_neighbours(self):
        # A machine that gets slower all the time, the same for both.
        found = findings([1.0] * 6)
        for number in range(6):
            for family in DRIVERS:
                found.samples["disk-1", family][number]["read"] = 1000 / (number + 1)
        said = figures.compare(found, TASKS[0], "read")
        assert (said["value"], said["low"], said["high"]) == (1, 1, 1)

    def test_a_round_with_one_half_is_left_out(self):
        found = findings()
        del found.samples["disk-1", "c"][0]
        assert len(figures.compare(found, TASKS[0], "read")["samples"]) == 5

    def test_no_rounds_are_wrong(self):
        found = findings()
        found.samples.clear()
        said = row(figures.main_rows(found, {}, "rust"), "iperf3 to")
        assert said.wrong
        assert (said.rust, said.verdict) == ("not measured", "FAIL")


class Counts(unittest.TestCase):
    """What is concluded from counts."""

    def said(self, **counts) -> Row:
        return row(figures.main_rows(findings(**counts), {}, "rust"), "kicks per")

    def test_per_operation(self):
        said = self.said(c={"kicks": 100}, rust={"kicks": 50})
        assert (said.c, said.rust, said.verdict) == ("1.00", "0.50", "-50 %")

    def test_of_the_disk_with_several_requests(self):
        found = findings()
        for sample in found.samples["disk-1", "rust"].values():
            sample["kicks"] = 700
        for sample in found.samples["disk-32", "rust"].values():
            sample["kicks"] = 300
        said = row(figures.main_rows(found, {}, "rust"), "kicks per")
        assert (said.name, said.c, said.rust) == ("kicks per 4k I/O, depth 32", "1.00", "3.00")

    def test_equal_counts(self):
        assert self.said().verdict == "no difference"

    def test_none_at_all(self):
        said = self.said(c={"kicks": 0}, rust={"kicks": 0})
        assert said.verdict == "no difference"

    def test_not_counted(self):
        said = self.said(c={"kicks": None}, rust={"kicks": None})
        assert said.verdict == "not counted"

    def test_counts_that_overlap_are_no_difference(self):
        found = findings()
        for family, values in (("c", (10, 40, 20, 30, 25, 35)), ("rust", (12, 44, 18, 33, 21, 30))):
            for number, value in enumerate(values):
                found.samples["disk-32", family][number]["irqs"] = value
        said = row(figures.main_rows(found, {}, "rust"), "interrupts per")
        assert said.verdict == "no difference (noisy)"

    def test_the_network_is_counted_by_the_megabyte(self):
        said = row(figures.more_rows(findings()), "iperf3 to the host: kicks per MB")
        assert said.c == "250"

    def test_instructions(self):
        works = list(cost.WORK)
        costs = {("c", "c"): dict(zip(works, (958, 2111))),
                 ("c", "rust"): dict(zip(works, (717, 1906.5))),
                 ("rust", "rust"): dict(zip(works, (430, 932.8)))}
        said = row(figures.main_rows(findings(), costs, "rust"), "instructions")
        assert said.c.split("\n") == ["717", "1,906", "958", "2,111"]
        assert said.rust.split("\n") == ["430", "933", "430", "933"]
        assert said.verdict.split("\n") == ["-40 %", "-51 %", "-55 %", "-56 %"]

    def test_instructions_on_the_ring_in_c_only(self):
        works = list(cost.WORK)
        costs = {("c", "c"): dict(zip(works, (958, 2111))),
                 ("rust", "c"): dict(zip(works, (1002, 1582)))}
        said = row(figures.main_rows(findings(), costs, "c"), "instructions")
        assert said.rust.split("\n") == ["1,002", "1,582"]

    def test_instructions_that_nobody_counted(self):
        said = row(figures.main_rows(findings(), {}, "rust"), "instructions")
        assert (said.rust, said.wrong) == ("not counted", False)

    def test_guests_for_the_counts(self):
        assert cost.wanted("rust", False) == [("c", "c"), ("c", "rust"), ("rust", "rust")]
        assert cost.wanted("c", False) == [("c", "c"), ("rust", "c")]
        assert cost.wanted("c", True) == [("c", "c"), ("rust", "c")]


class Checks(unittest.TestCase):
    """What makes the demo fail."""

    def said(self, found) -> Row:
        return row(figures.main_rows(found, {}, "rust"), "checks")

    def test_all_the_same(self):
        said = self.said(findings())
        assert (said.c, said.verdict, said.wrong) == ("2, all ok\n3 MiB", "the same", False)

    def test_a_failed_check(self):
        found = findings()
        found.sides["rust"].checks["mount"] = "failed"
        said = self.said(found)
        assert (said.c, said.rust) == ("2, all ok\n3 MiB", "2, 1 ok\n3 MiB")
        assert said.wrong

    def test_one_that_fails_on_both(self):
        found = findings()
        for side in found.sides.values():
            side.checks["mount"] = "failed"
        assert self.said(found).wrong

    def test_one_that_is_missing(self):
        found = findings()
        del found.sides["c"].checks["mount"]
        assert self.said(found).wrong

    def test_an_empty_value_on_both(self):
        found = findings()
        for side in found.sides.values():
            side.checks["address by DHCP"] = ""
        assert self.said(found).wrong

    def test_no_checks_at_all(self):
        found = findings()
        for side in found.sides.values():
            side.checks.clear()
        assert self.said(found).wrong

    def test_values_that_must_be_the_same_are_shown_whole(self):
        found = findings()
        found.sides["rust"].checks["address by DHCP"] = "192.0.2.86"
        bad = [one for one in figures.check_rows(found) if one.wrong]
        assert [(one.c, one.rust, one.verdict) for one in bad] == [("192.0.2.85", "192.0.2.86", "DIFFERS")]

    def test_speed_does_not(self):
        rows = figures.main_rows(findings([9.0] * 6, c={"kicks": 900}), {}, "rust")
        assert not any(one.wrong for one in rows)

    def test_another_driver_than_meant(self):
        found = findings()
        assert figures.wrong_drivers(found, "rust_virtio_ring") == []
        found.sides["rust"].values["driver of the NIC"] = "virtio_net"
        wrong = figures.wrong_drivers(found, "rust_virtio_ring")
        assert len(wrong) == 1
        assert 'driver of the NIC: "virtio_net", not "rust_virtio_net"' in wrong[0]

    def test_another_ring_than_meant(self):
        assert len(figures.wrong_drivers(findings(), "virtio_ring")) == 2


class Table(unittest.TestCase):
    """What the table looks like."""

    def test_lines_of_a_cell_stand_below_each_other(self):
        lines = table.text([Row("a\nb", "1\n2", "3\n4", "x"), Row("c", "5", "6", "y")])
        assert [line.split() for line in lines.splitlines()[2:]] == [["a", "1", "3", "x"], ["b", "2", "4"],
            ["c", "5", "6", "y"]]

    def test_nothing_is_cut(self):
        long = "192.0.2.85 " * 9
        assert long.strip() in table.text([Row("a", long, "b", "")])

    def test_it_fits(self):
        works = dict.fromkeys(cost.WORK, 1234567)
        costs = dict.fromkeys((("c", "c"), ("c", "rust"), ("rust", "rust")), works)
        found = findings([0.123, 29.61, 1, 1.05, 1, 1])
        for side in found.sides.values():
            side.values["ring"] = "rust_virtio_ring, built in"
        text = table.text(figures.main_rows(found, costs, "rust"))
        assert max(map(len, text.splitlines())) <= table.WIDTH
        assert len(text.splitlines()) == 2 + 14

    def test_what_is_said_above_it_fits(self):
        found = findings()
        for side in found.sides.values():
            side.values["ring"] = "rust_virtio_ring, built in"
        for line in [*map(demo._method, (1, 6, 99)), *demo._setting(found)]:
            assert len(line) <= table.WIDTH

    def test_drivers_and_ring_are_those_that_the_guest_saw(self):
        found = findings()
        found.sides["rust"].values.update({"ring": "virtio_ring", "driver of the NIC": "virtio_net"})
        assert demo._setting(found) == [
            "One guest: root disk on rust_virtio_blk, all queues on virtio_ring.",
            "A second disk had virtio_blk and rust_virtio_blk in turn, a NIC virtio_net and virtio_net."]

    def test_few_rounds_claim_no_certainty(self):
        assert "%" not in demo._method(ratio.ROUNDS - 1)
        assert "95 %" in demo._method(ratio.ROUNDS)


class Order(unittest.TestCase):
    """In what order the guest works."""

    def steps(self, rounds: int) -> list:
        from bench.turns import order
        entries = order([task.name for task in TASKS], list(DRIVERS), rounds)
        return guest._steps(entries)

    def test_families_alternate(self):
        turns = [command.split()[4] for name, command in self.steps(4)
                 if name.startswith("disk-32:")]
        c, rust = "virtio_blk", "rust_virtio_blk"
        assert turns == [c, rust, rust, c, c, rust, rust, c]

    def test_everybody_reads_what_the_other_wrote(self):
        names = [name for name, _ in self.steps(1)]
        assert names[1:5] == ["check:c", "reread:rust", "check:rust", "reread:c"]
        assert names[-1] == "end"


class Lines(unittest.TestCase):
    """What becomes of the guest's lines."""

    def setUp(self):
        self.logged = []
        entry = types.SimpleNamespace(task="out", stack="rust", round=1)
        self.follower = guest._Follower(Findings(2), {"out:1:rust": entry}, self.logged.append)
        self.addCleanup(self.follower.end)

    def test_checks_go_to_their_side(self):
        self.follower.line("check:rust", "check mount|ok")
        self.follower.line("reread:c", "check mount|failed")
        sides = self.follower.found.sides
        assert (sides["rust"].checks, sides["c"].checks) == ({"mount": "ok"}, {"mount": "failed"})

    def test_the_end_counts_for_both(self):
        self.follower.line("end", "check quiet|ok")
        assert [side.checks for side in self.follower.found.sides.values()] == [{"quiet": "ok"}] * 2

    def test_samples(self):
        self.follower.line("out:1:rust", 'sample {"rate":5.0,"mb":1.0,"irqs":2}')
        assert self.follower.found.column("out", "rust", lambda s: s["rate"]) == [None, 5.0]

    def test_everything_is_logged(self):
        self.follower.line("prepare", "whatever")
        assert self.logged == ["prepare: whatever"]

    def test_a_measurement_without_a_figure_is_wrong(self):
        step = types.SimpleNamespace(name="out:1:rust", status=0, lines=["skip no iperf3"])
        outcome = types.SimpleNamespace(error="", steps=[step], splats=[])
        guest._judge(self.follower.found, outcome, {"out:1:rust": None})
        assert self.follower.found.wrong == ["out:1:rust measured nothing: skip no iperf3"]

    def test_a_step_that_fails_is_wrong(self):
        step = types.SimpleNamespace(name="prepare", status=1, lines=["modprobe x failed"])
        outcome = types.SimpleNamespace(error="", steps=[step], splats=[("prepare", "BUG: x")])
        guest._judge(self.follower.found, outcome, {})
        assert self.follower.found.wrong == ["prepare ended with status 1: modprobe x failed",
            "the kernel complained during prepare:\nBUG: x"]


class KicksTest(unittest.TestCase):
    """Which kicks are whose."""

    def setUp(self):
        self.log = self.top / "trace.log"
        self.counter = kicks.Kicks(self.log)

    def write(self, *lines: str) -> None:
        with open(self.log, "a", encoding="ascii") as log:
            log.writelines(f"{line}\n" for line in lines)

    def test_kicks_of_the_device_that_was_given(self):
        self.counter.mark("start")
        self.write("virtio_set_status vdev 0xa val 1", "virtio_queue_notify vdev 0xb n 0 vq 0x1")
        self.counter.mark("given")
        self.write("virtio_queue_notify vdev 0xa n 0 vq 0x1", "virtio_queue_notify vdev 0xb n 0 vq 0x2",
                   "virtio_queue_notify vdev 0xa n 1 vq 0x3")
        self.counter.mark("end")
        self.write("virtio_queue_notify vdev 0xa n 0 vq 0x1")
        device = self.counter.device("start", "given")
        assert device == b"0xa"
        assert self.counter.count(device, "given", "end") == 2

    def test_two_devices_are_none(self):
        self.counter.mark("start")
        self.write("virtio_set_status vdev 0xa val 1", "virtio_set_status vdev 0xb val 1")
        self.counter.mark("given")
        assert self.counter.device("start", "given") is None
        assert self.counter.count(None, "start", "given") is None

    def test_marks_that_were_not_set(self):
        self.counter.mark("start")
        assert self.counter.device("start", "given") is None
        assert self.counter.count(b"0xa", "start", "given") is None


class Kernels(unittest.TestCase):
    """Which ring a kernel leaves."""

    def kernel(self, builtin: str = "virtio_mmio.ko") -> Path:
        release = self.top / "include" / "config" / "kernel.release"
        release.parent.mkdir(parents=True, exist_ok=True)
        release.write_text("7.3.4\n")
        (self.top / "modules.order").write_text("")
        (self.top / "modules.builtin").write_text(f"kernel/drivers/virtio/{builtin}\n")
        return self.top

    def test_a_choice(self):
        assert demo._ring(self.kernel(), "") == ("rust", False)
        assert demo._ring(self.kernel("virtio_mmio.ko"), "c") == ("c", False)

    def test_built_in(self):
        assert demo._ring(self.kernel("virtio_ring.ko"), "") == ("c", True)
        assert demo._ring(self.kernel("rust_virtio_ring.ko"), "rust") == ("rust", True)

    def test_another_than_the_one_built_in(self):
        with self.assertRaisesRegex(Failure, "RING=rust cannot be: the ring in C is built into"):
            demo._ring(self.kernel("virtio_ring.ko"), "rust")

    def test_missing_programs(self):
        with mock.patch("shutil.which", lambda name: None if name == "socat" else name):
            self.assertRaisesRegex(Failure, "^not installed: socat .make setup.$",
                                   demo._check_programs)

    def test_missing_modules(self):
        self.assertRaisesRegex(Failure, "made no rust_virtio_net", demo._check_modules,
                               [Path("/x/rust_virtqueue.ko"), Path("/x/rust_virtio_blk.ko")])
