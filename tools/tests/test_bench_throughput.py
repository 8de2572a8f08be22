# SPDX-License-Identifier: GPL-2.0
"""Tests the rounds of the benchmark: bench/{turns,rounds,lane,ratio,samples,workloads}.py."""

import threading
import types

import pytest

from bench import ratio, samples, throughput, workloads
from bench.lane import Lane
from bench.results import Result
from bench.rounds import Plan, Rounds
from bench.stacks import Stack
from bench.turns import Turns, order
from harness.guest.machine import Step
from harness.say import Failure

BETTER, WORSE, SAME, WIDE = ratio.FASTER, ratio.SLOWER, ratio.SAME, ratio.WIDE_SPREAD


def test_order_alternates_and_has_one_task_after_the_other():
    assert [entry.stack for entry in order(["t"], ["a", "b"], 4)] == list("abbaabba")
    entries = order(["t", "u"], ["a", "b"], 2)
    assert [entry.task for entry in entries] == list("ttttuuuu")
    assert [entry.number for entry in entries] == list(range(8))
    assert len({entry.step for entry in entries}) == len(entries)


def test_two_guests_take_turns():
    entries = order(["t", "u"], ["a", "b"], 3)
    turns, seen = Turns(entries), []

    def guest(stack: str) -> None:
        for entry in [entry for entry in entries if entry.stack == stack]:
            turns.wait(entry.number)
            seen.append(entry.number)
            turns.done([entry])

    guests = [threading.Thread(target=guest, args=(stack,), daemon=True) for stack in "ba"]
    for one in guests:
        one.start()
    for one in guests:
        one.join(10)
    assert seen == [entry.number for entry in entries]


def test_a_guest_that_is_gone_holds_up_nobody():
    entries = order(["t"], ["a", "b"], 2)
    turns = Turns(entries)
    turns.done([entry for entry in entries if entry.stack == "a"])
    turns.wait(entries[1].number)


def test_the_end_refuses_turns():
    turns = Turns(order(["t"], ["a", "b"], 2))
    turns.end()
    with pytest.raises(Failure):
        turns.wait(1)


@pytest.fixture
def rounds(report):
    """Returns two rounds of two tasks on two stacks, with the names of finished tasks in `told`."""
    stacks = [types.SimpleNamespace(name=name) for name in ("a", "b")]
    told = []
    tasks = {"t": lambda stack: "", "u": lambda stack: ""}
    made = Rounds(types.SimpleNamespace(stacks=stacks, report=report),
                  Plan("part", tasks, 2, {}, [], finished=lambda rounds, name: told.append(name)))
    made.told = told
    return made


def test_rounds_stay_in_place(rounds):
    entry = next(e for e in rounds._entries if (e.task, e.stack, e.round) == ("t", "b", 1))
    rounds.sample(entry, {"x": 7})
    assert rounds.by_stack("t", "x") == {"a": [None, None], "b": [None, 7]}


def test_told_once_when_all_rounds_are_over(rounds):
    rounds.complete(rounds._entries[:3])
    assert rounds.told == []
    rounds.complete(rounds._entries[:4])
    rounds.complete(rounds._entries[:4])
    assert rounds.told == ["t"]


def test_skipped_once_and_no_result(rounds):
    for _ in range(3):
        rounds.skip("t", "no fio")
    rounds.complete(rounds._entries)
    notes = [(note["what"], note["why"]) for note in rounds.bench.report.skipped]
    assert (notes, rounds.told) == ([("part: t", "no fio")], ["u"])


@pytest.mark.parametrize("ratios, more, verdict", [
    ([1.1] * 6, True, BETTER), ([1.1] * 6, False, WORSE), ([0.9] * 6, True, WORSE),
    # Never on too few rounds; one odd round of nine decides nothing.
    ([2.0] * 5, True, WIDE), ([1.1] * 5 + [0.9], True, SAME), ([1.1] * 8 + [0.2], True, BETTER),
    ([1.1] * 7 + [0.9] * 2, True, SAME),
    ([0.99, 1.01] * 3, True, SAME), ([0.7, 1.3] * 3, True, WIDE)])
def test_verdict_on_rounds(ratios, more, verdict):
    assert ratio.compare(ratios, [1.0] * len(ratios), more)["verdict"] == verdict


@pytest.mark.parametrize("number", range(ratio.ROUNDS, 30))
def test_intervals_are_sure(number):
    low, high = ratio.interval(list(range(number)))
    assert low == number - 1 - high
    assert ratio._sure(number, low) >= ratio.SURE > ratio._sure(number, low + 1)


def test_rounds_are_paired():
    assert ratio.compare([2, None, 6, 8], [1, 1, 2, None], True)["samples"] == [2, 3]
    assert ratio.compare([None, 1], [1, None], True) is None


def test_exact_figures_need_no_rounds():
    assert [ratio.exact(mine, 10)["verdict"] for mine in (9, 10, 11)] == [BETTER, SAME, WORSE]
    assert ratio.exact(100.4, 100, 0.005)["verdict"] == SAME


def test_missing_rounds_are_told():
    result = Result("w", "d", "rust", "c", "split", "tcg", "throughput")
    samples.fill(result, [1.0, None, 3.0], [1.0, 1.0, 1.0])
    assert (result.value, result.samples) == (2.0, [1.0, 3.0])
    assert "1 of 3 rounds" in result.note
    assert result.ratio["samples"] == [1.0, 3.0]
    result = Result("w", "d", "rust", "c", "split", "tcg", "throughput")
    samples.fill(result, [None, None])
    assert result.value is None and "No round" in result.note


def test_distribution_of_latencies():
    assert samples.distribution([{"1000": 2, "3000": 1}, None, {"2000": 1}]) == [[1.0, 0.5], [2.0, 0.75], [3.0, 1.0]]
    assert samples.distribution([None]) is None


def test_share_of_other_work():
    #         user nice system idle iowait irq softirq steal guest guest_nice
    before = [100, 0, 100, 1000, 0, 0, 0, 0, 50, 0]
    assert samples.busy_share(before, [100, 0, 100, 1100, 100, 0, 0, 0, 50, 0]) == 0
    assert samples.busy_share(before, [150, 0, 100, 1050, 0, 0, 0, 100, 90, 0]) == 0.75
    assert samples.busy_share(before, before) == 0


@pytest.mark.parametrize("absent", ["", "sockperf", "iperf3"])
def test_without_a_program_its_workloads_are_left_out(absent, report, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: None if name == absent else f"/bin/{name}")
    left = throughput._possible(types.SimpleNamespace(report=report), workloads.every())
    gone = [load.task for load in workloads.every() if load not in left]
    assert gone == [load.task for load in workloads.every() if absent and load.needs == absent]
    assert [note["why"].partition(" on")[0] for note in report.skipped] == (
        [f"{absent} is not installed"] if absent else [])
    assert all(name in report.skipped[0]["what"] for name in gone)
    assert "net-tcp-rr" in gone or absent != "sockperf"
    assert absent != "iperf3" or {load.kind for load in left if load.task != "net-tcp-rr"} == {"blk"}


class Guests:
    """Two rounds on a stack in C and one on a ring of our own, and what is told of their guests."""

    def __init__(self, report):
        self.stacks = [Stack("c", "c", "C", "", ["drv"], "", ""), Stack("c", "rust", "Own", "", ["drv"], "", "")]
        self.failed, self.over = [], []
        self.rounds = types.SimpleNamespace(
            bench=types.SimpleNamespace(stacks=self.stacks, report=report),
            plan=Plan("part", {"t": lambda stack: "do"}, 2, {"vcpus": 1}, []),
            failed=lambda entry, why: self.failed.append((entry.step, why)), complete=self.over.extend)

    def lane(self, index: int = 0) -> Lane:
        """Returns the guest of one of the stacks."""
        stack = self.stacks[index]
        return Lane(self.rounds, [stack], order(["t"], [stack.name], 2))


@pytest.fixture
def guests(report) -> Guests:
    return Guests(report)


def outcome(*steps) -> types.SimpleNamespace:
    """Returns the end of a guest that died."""
    return types.SimpleNamespace(steps=list(steps), error="QEMU ended", splats=[], rundir="/run")


def test_one_ring_provider_in_a_guest(guests):
    assert [guests.lane(index)._spec().ring for index in (0, 1)] == ["c", "rust"]


def test_a_guest_that_dies(guests):
    lane = guests.lane()
    entries = list(lane._entries.values())
    left = lane._sort(outcome(Step("prepare", status=0), Step("t:0:c-c", status=0), Step("t:1:c-c")), entries)
    assert (left, guests.over, guests.failed) == (entries[1:], entries[:1], [])


def test_a_measurement_that_fails(guests):
    lane = guests.lane()
    left = lane._sort(outcome(Step("prepare", status=0), Step("t:0:c-c", ["a", "b"], 1), Step("t:1:c-c", status=0)),
                      list(lane._entries.values()))
    assert (left, guests.failed) == ([], [("t:0:c-c", "b; logs: /run")])


def test_the_emulation_is_forgiven_only_so_often(guests, report, monkeypatch):
    booted = []
    lane = guests.lane()
    lane._guest = lambda entries: booted.append(1) or outcome()
    monkeypatch.setattr("harness.guest.stall.reason", lambda outcome: "a timer")
    lane.run()
    assert (len(booted), len(report.problems)) == (3, 1)
    assert "2 measurements left" in report.problems[0]["why"]


def test_workloads_are_told_apart_and_have_their_devices():
    every = workloads.every()
    assert len({load.task for load in every}) == len(every)
    assert len({(load.name, load.vcpus, load.queues) for load in every}) == len(every)
    for load in every:
        assert int(load.device[3:]) < len(workloads.guest(load.vcpus)[load.kind])
        assert load.queues <= load.vcpus
