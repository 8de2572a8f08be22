# SPDX-License-Identifier: GPL-2.0
"""Things done at the same time: their results and their errors."""

import threading
import time

import pytest

from harness.report.results import Results
from harness.report.tap import Test
from harness.suites import side_by_side


def wrong(_part):
    raise OSError("wrong")


def test_functions_run_at_the_same_time():
    both, results = threading.Barrier(2, timeout=20), Results("some")

    def tried(name):
        def function(part):
            both.wait()
            part.tests.append(Test("some", name, "pass", ""))
        return function

    side_by_side.run(results, [tried("a"), tried("b")])
    assert [test.name for test in results.tests] == ["a", "b"]


def test_no_more_than_there_is_room_for():
    lock, now, most, order = threading.Lock(), [], [], []

    def tried(weight):
        def function(part):
            with lock:
                now.append(weight)
                most.append(sum(now))
                order.append(weight)
            time.sleep(0.02)
            with lock:
                now.remove(weight)
            part.tests.append(Test("some", str(weight), "pass", ""))
        return function

    weights, results = [2, 2, 4, 1, 9, 2], Results("some")
    side_by_side.run(results, [tried(weight) for weight in weights], weights, 4)
    assert [int(test.name) for test in results.tests] == weights
    assert sorted(order) == sorted(weights)
    assert max(most) == 9
    assert max(sum_ for sum_ in most if sum_ != 9) <= 4


def test_a_small_one_fills_the_room_beside_a_large_one():
    both = threading.Barrier(2, timeout=20)
    order = []

    def large(_part):
        both.wait()
        order.append("large")

    side_by_side.run(Results("some"), [large, lambda part: order.append("second"), lambda part: both.wait()],
                     [3, 3, 1], 4)
    assert order == ["large", "second"]


def test_nothing_begins_after_an_error_and_the_error_is_not_lost():
    began = []
    with pytest.raises(OSError, match="wrong"):
        side_by_side.run(Results("some"), [wrong, began.append], [1, 1], 1)
    assert began == []
    with pytest.raises(OSError, match="wrong"):
        side_by_side.run(Results("some"), [wrong, lambda part: None])
