# SPDX-License-Identifier: GPL-2.0
"""Tests the rounds of the benchmark: rvt/bench/{turns,rounds,ratio,pairs,workloads}.py."""

import threading
import types
import unittest
from unittest import mock

from rvt.bench import pairs, ratio, throughput, workloads
from rvt.bench.cells import Cell
from rvt.bench.lane import Lane
from rvt.bench.rounds import Plan, Rounds, Task
from rvt.bench.stacks import Stack
from rvt.bench.turns import Turns, order
from rvt.guest import Step
from rvt.say import Failure


class OrderTest(unittest.TestCase):
    """In what order stacks are measured."""

    def test_rounds_alternate(self):
        self.assertEqual([entry.stack for entry in order(["t"], ["a", "b"], 4)], list("abbaabba"))

    def test_tasks_one_after_the_other(self):
        entries = order(["t", "u"], ["a", "b"], 2)
        self.assertEqual([entry.task for entry in entries], list("ttttuuuu"))
        self.assertEqual([entry.number for entry in entries], list(range(8)))

    def test_steps_have_names_of_their_own(self):
        entries = order(["t", "u"], ["a", "b", "c"], 3)
        self.assertEqual(len({entry.step for entry in entries}), len(entries))


class TurnsTest(unittest.TestCase):
    """One measurement at a time, over all guests."""

    def test_two_guests_take_turns(self):
        entries = order(["t", "u"], ["a", "b"], 3)
        turns, seen = Turns(entries), []

        def guest(stack: str) -> None:
            for entry in [entry for entry in entries if entry.stack == stack]:
                turns.wait(entry.number)
                seen.append(entry.number)
                turns.done([entry.number])

        guests = [threading.Thread(target=guest, args=(stack,), daemon=True) for stack in "ba"]
        for one in guests:
            one.start()
        for one in guests:
            one.join(10)
        self.assertEqual(seen, [entry.number for entry in entries])

    def test_a_guest_that_is_gone_holds_up_nobody(self):
        entries = order(["t"], ["a", "b"], 2)
        turns = Turns(entries)
        turns.done([entry.number for entry in entries if entry.stack == "a"])
        turns.wait(entries[1].number)

    def test_the_end_refuses_turns(self):
        turns = Turns(order(["t"], ["a", "b"], 2))
        turns.end()
        self.assertRaises(Failure, turns.wait, 1)


class RoundsTest(unittest.TestCase):
    """What becomes of samples."""

    def setUp(self):
        stacks = [types.SimpleNamespace(name=name) for name in ("a", "b")]
        self.told, self.skipped = [], []
        report = types.SimpleNamespace(skip=lambda what, why: self.skipped.append(why))
        bench = types.SimpleNamespace(stacks=stacks, report=report)
        tasks = [Task("t", lambda stack: ""), Task("u", lambda stack: "")]
        self.rounds = Rounds(bench, Plan("leg", tasks, 2, {}, [], finished=self.told.append))
        self.entries = self.rounds._entries

    def test_rounds_stay_in_place(self):
        entry = next(e for e in self.entries if (e.task, e.stack, e.round) == ("t", "b", 1))
        self.rounds.sample(entry, {"x": 7})
        self.assertEqual(self.rounds.samples("t", "b", "x"), [None, 7])

    def test_told_once_when_all_rounds_are_over(self):
        self.rounds.complete(self.entries[:3])
        self.assertEqual(self.told, [])
        self.rounds.complete(self.entries[:4])
        self.rounds.complete(self.entries[:4])
        self.assertEqual(self.told, ["t"])

    def test_skipped_once_and_no_cell(self):
        for _ in range(3):
            self.rounds.skip("t", "no fio")
        self.rounds.complete(self.entries)
        self.assertEqual((self.skipped, self.told), (["no fio"], ["u"]))


class RatioTest(unittest.TestCase):
    """What may be concluded."""

    def verdict(self, ratios: list, more: bool = True) -> str:
        return ratio.compare(ratios, [1.0] * len(ratios), more)["verdict"]

    def test_all_rounds_on_one_side(self):
        self.assertEqual(self.verdict([1.1] * 6), ratio.FASTER)
        self.assertEqual(self.verdict([1.1] * 6, more=False), ratio.SLOWER)
        self.assertEqual(self.verdict([0.9] * 6), ratio.SLOWER)

    def test_never_on_too_few_rounds(self):
        self.assertEqual(self.verdict([2.0] * 5), ratio.WIDE_SPREAD)

    def test_one_odd_round(self):
        self.assertNotEqual(self.verdict([1.1] * 5 + [0.9]), ratio.FASTER)
        self.assertEqual(self.verdict([1.1] * 8 + [0.2]), ratio.FASTER)
        self.assertNotEqual(self.verdict([1.1] * 7 + [0.9] * 2), ratio.FASTER)

    def test_wide_and_narrow_around_one(self):
        self.assertEqual(self.verdict([0.99, 1.01] * 3), ratio.SAME)
        self.assertEqual(self.verdict([0.7, 1.3] * 3), ratio.WIDE_SPREAD)

    def test_intervals_are_sure(self):
        for number in range(ratio.ROUNDS, 30):
            low, high = ratio.interval(list(range(number)))
            self.assertEqual(low, number - 1 - high)
            self.assertGreaterEqual(ratio._sure(number, low), ratio.SURE)
            self.assertLess(ratio._sure(number, low + 1), ratio.SURE)

    def test_rounds_are_paired(self):
        found = ratio.compare([2, None, 6, 8], [1, 1, 2, None], True)
        self.assertEqual(found["samples"], [2, 3])
        self.assertIsNone(ratio.compare([None, 1], [1, None], True))


class CellTest(unittest.TestCase):
    """What a cell holds."""

    def cell(self) -> Cell:
        return Cell("w", "d", "rust", "c", "split", "tcg", "throughput")

    def test_missing_rounds_are_told(self):
        cell = self.cell()
        pairs.fill(cell, [1.0, None, 3.0], [1.0, 1.0, 1.0])
        self.assertEqual((cell.value, cell.samples), (2.0, [1.0, 3.0]))
        self.assertIn("1 of 3 rounds", cell.note)
        self.assertEqual(cell.ratio["samples"], [1.0, 3.0])

    def test_no_figure_at_all(self):
        cell = self.cell()
        pairs.fill(cell, [None, None])
        self.assertIsNone(cell.value)
        self.assertIn("No round", cell.note)

    def test_distribution(self):
        points = pairs.cdf([{"1000": 1, "3000": 1}, None, {"2000": 8}], 1e-3)
        self.assertEqual(points, [[1.0, 0.25], [2.0, 0.75], [3.0, 1.0]])
        self.assertIsNone(pairs.cdf([None], 1))

    def test_distribution_is_thinned_but_keeps_its_tail(self):
        points = pairs.cdf([{str(value): 1 for value in range(1, 20001)}], 1)
        self.assertLess(len(points), 1.5 * pairs.POINTS)
        self.assertEqual(points[-1], [20000.0, 1.0])
        self.assertTrue(any(0.998 < fraction < 0.9995 for _, fraction in points))
        # What is read off is never more than a step away.
        self.assertTrue(all(abs(fraction - value / 20000) < 1e-6 for value, fraction in points))


class BusyTest(unittest.TestCase):
    """Whether the host has other work to do."""

    def test_share(self):
        #         user nice system idle iowait irq softirq steal guest guest_nice
        before = [100, 0, 100, 1000, 0, 0, 0, 0, 50, 0]
        self.assertEqual(pairs.busy_share(before, [100, 0, 100, 1100, 100, 0, 0, 0, 50, 0]), 0)
        self.assertEqual(pairs.busy_share(before, [150, 0, 100, 1050, 0, 0, 0, 100, 90, 0]), 0.75)
        self.assertEqual(pairs.busy_share(before, before), 0)


class MissingTest(unittest.TestCase):
    """What a machine without a program leaves out."""

    def left(self, absent: str) -> tuple:
        """Returns the workloads that are left, and what was said."""
        said = []
        bench = types.SimpleNamespace(report=types.SimpleNamespace(
            skip=lambda what, why: said.append((what, why))))
        with mock.patch("shutil.which", lambda name: None if name == absent else f"/bin/{name}"):
            return throughput._possible(bench, workloads.every()), said

    def test_all_there(self):
        self.assertEqual(self.left(""), (workloads.every(), []))

    def test_without_sockperf(self):
        left, said = self.left("sockperf")
        self.assertNotIn("net-tcp-rr", [load.task for load in left])
        self.assertEqual(len(left), len(workloads.every()) - 1)
        self.assertEqual(len(said), 1)
        self.assertIn("net-tcp-rr", said[0][0])
        self.assertIn("sockperf is not installed", said[0][1])

    def test_without_iperf3_disks_are_still_measured(self):
        left, _ = self.left("iperf3")
        self.assertEqual({load.kind for load in left if load.task != "net-tcp-rr"}, {"blk"})


class LaneTest(unittest.TestCase):
    """What a guest is given, and what is made of its end."""

    def setUp(self):
        self.stacks = [Stack("c", "c", "C", "", ["drv"], "", ""),
                       Stack("c", "rust", "Own", "", ["drv"], "", "")]
        self.failed, self.over, self.faults = [], [], []
        self.rounds = types.SimpleNamespace(
            bench=types.SimpleNamespace(stacks=self.stacks),
            plan=Plan("leg", [Task("t", lambda stack: "do")], 2, {"vcpus": 1}, []),
            failed=lambda entry, why: self.failed.append((entry.step, why)),
            complete=self.over.extend, fault=lambda what, why: self.faults.append(why),
            note=lambda what, why: None)

    def lane(self, index: int) -> Lane:
        stack = self.stacks[index]
        return Lane(self.rounds, [stack], order(["t"], [stack.name], 2))

    def test_one_ring_provider_in_a_guest(self):
        self.assertEqual(self.lane(0)._spec().ring, "c")
        self.assertEqual(self.lane(1)._spec().ring, "rust")

    def outcome(self, *steps) -> types.SimpleNamespace:
        return types.SimpleNamespace(steps=list(steps), error="QEMU ended", splats=[],
                                     rundir="/run")

    def test_a_guest_that_dies(self):
        lane = self.lane(0)
        entries = list(lane._entries.values())
        left = lane._sort(self.outcome(Step("prepare", status=0), Step("t:0:c-c", status=0),
                                       Step("t:1:c-c")), entries)
        self.assertEqual((left, self.over, self.failed), (entries[1:], entries[:1], []))

    def test_a_measurement_that_fails(self):
        lane = self.lane(0)
        left = lane._sort(self.outcome(Step("prepare", status=0), Step("t:0:c-c", ["a", "b"], 1),
                                       Step("t:1:c-c", status=0)), list(lane._entries.values()))
        self.assertEqual(left, [])
        self.assertEqual(self.failed, [("t:0:c-c", "b; logs: /run")])

    def test_the_emulation_is_forgiven_only_so_often(self):
        lane, guests = self.lane(0), []
        lane._guest = lambda entries: guests.append(1) or self.outcome()
        with mock.patch("rvt.stall.reason", lambda outcome: "a timer"):
            lane.run()
        self.assertEqual(len(guests), 3)
        self.assertEqual(len(self.faults), 1)
        self.assertIn("2 measurements left", self.faults[0])


class WorkloadTest(unittest.TestCase):
    """The list of workloads."""

    def test_tasks_and_cells_are_told_apart(self):
        every = workloads.every()
        self.assertEqual(len({load.task for load in every}), len(every))
        self.assertEqual(len({(load.name, load.vcpus, load.queues) for load in every}), len(every))

    def test_devices_are_in_the_guest(self):
        for load in workloads.every():
            devices = workloads.guest(load.vcpus)[load.kind]
            self.assertLess(int(load.device[3:]), len(devices))
            self.assertLessEqual(load.queues, load.vcpus)


if __name__ == "__main__":
    unittest.main()
