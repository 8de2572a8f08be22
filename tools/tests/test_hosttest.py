# SPDX-License-Identifier: GPL-2.0
"""Tests the reading of what cargo test prints (harness/ring/cargo.py), and how long harness/ring/fuzz.py runs."""

import pytest

from harness.paths import REPO
from harness.ring import cargo, fuzz, sanitize
from harness.say import Failure

TEXT = """     Running unittests lib.rs (target/debug/deps/ring_core-1)

running 1 test
test ring::event::tests::most ... ok

     Running tests/rings.rs (target/debug/deps/rings-2)

running 2 tests
test callbacks ... FAILED
test a_slow_one ... ignored, needs QEMU

failures:

---- callbacks stdout ----
thread panicked at tests/rings.rs:7:1:
left: 1

failures:
    callbacks
"""

SEVERAL_FILES = """     Running tests/model/main.rs (target/debug/deps/model-3)
test lost_wakeups::without_one - should panic ... ok"""


@pytest.mark.parametrize("text, status, suite, results", [
    (TEXT, 101, "ring", [("ring/unit:event: most", "pass", ""),
                         ("ring/rings:callbacks", "fail", "thread panicked at tests/rings.rs:7:1:\nleft: 1"),
                         ("ring/rings:a slow one", "skip", "no QEMU")]),
    (SEVERAL_FILES, 0, "ring-asan", [("ring-asan/model:lost_wakeups: without one", "pass", "")])])
def test_results_of_cargo(text, status, suite, results):
    found = cargo.parse(text.splitlines(), status, suite, "no QEMU")
    assert [(test.full_name(), test.result, test.reason) for test in found] == results


@pytest.mark.parametrize("lines, status", [(["error: could not compile"], 101), ([], 0)])
def test_cargo_without_a_test_fails(lines, status):
    assert [(test.name, test.result) for test in cargo.parse(lines, status, "ring")] == [("cargo", "fail")]


def test_the_fuzzer_does_always_the_same_or_as_long_as_asked():
    assert fuzz.arguments("", 7) == fuzz.arguments("", 8)
    assert "-seed=1" in fuzz.arguments("", 7)
    assert fuzz.arguments("90", 7) == ["-max_total_time=90", "-seed=7"]


@pytest.mark.parametrize("text", ["x", "0", "-3", "1.5"])
def test_a_time_of_the_fuzzer_that_is_no_number(text):
    with pytest.raises(Failure):
        fuzz.arguments(text, 7)


def test_every_test_that_is_named_is_there():
    named = {word.partition("=")[2] for part in (sanitize._SANITIZED, sanitize._RACING, sanitize._INTERPRETED,
                                                 sanitize._FOREIGN) for word in part if word.startswith("--test=")}
    tests = REPO / "virtqueue" / "ring" / "tests"
    assert named and not [name for name in named
                          if not ((tests / f"{name}.rs").exists() or (tests / name / "main.rs").exists())]
