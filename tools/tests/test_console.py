# SPDX-License-Identifier: GPL-2.0
"""Tests that complaints of the kernel are found, and are blamed on the right step."""

import pytest

from harness.guest.console import Console

STUCK = "INFO: task fio:12 blocked for more than 120 seconds."


@pytest.fixture
def console(write):
    """Returns a function that returns the console log with these lines, read."""
    def read(*lines: str) -> Console:
        found = Console(write("console.log", "\n".join(lines) + "\n"))
        found.poll()
        return found

    return read


@pytest.mark.parametrize("line", [
    "[ 1.0] rust_virtio_blk virtio0: ok", "DMA-API: preallocated 65536 debug entries",
    "DMA-API: debugging enabled by kernel config", "DMA-API: dma_debug_entry pool grown to 131072 (200%)",
    "kmemleak: Automatic memory scanning thread started"])
def test_a_quiet_line(line, console):
    assert console(line).splats() == []


@pytest.mark.parametrize("line", [
    "------------[ cut here ]------------", "BUG: kernel NULL pointer dereference", "Oops: general protection fault",
    "Kernel panic - not syncing: x", STUCK, "BUG: KASAN: slab-out-of-bounds in f",
    "rust_kernel: panicked at a.rs:1:2:", "WARNING: possible circular locking dependency detected",
    "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected", "WARNING: modprobe/77 still has locks held!",
    "[ BUG: Invalid wait context ]", "INFO: trying to register non-static key.",
    "BUG kmalloc-64 (Tainted: G    B   ): Redzone overwritten", "DMA-API: debugging out of memory - disabling",
    "DMA-API: pci 0000:00:02.0: device driver frees DMA memory with wrong function",
    "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
    "harness: complaint: lockdep has switched itself off", "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
    "watchdog: BUG: soft lockup - CPU#0 stuck for 26s!"])
def test_a_complaint(line, console):
    assert len(console(line).splats()) == 1


@pytest.mark.parametrize("lines, step", [
    (["harness: begin a/b", "harness: end a/b", "harness: begin c/d", "BUG: x", "harness: end c/d"], "c/d"),
    (["BUG: x"], "boot"), (["harness: begin a", "harness: end a", "BUG: x"], "after-a")])
def test_the_step_of_a_complaint(lines, step, console):
    assert [name for name, _ in console(*lines).splats()] == [step]


def test_a_complaint_that_is_expected(console):
    assert console("BUG: an expected one").splats(["an expected"]) == []


@pytest.mark.parametrize("lines, said", [(["a", "b"], ""), (["a", STUCK], STUCK)])
def test_stuck(lines, said, console):
    assert console(*lines).stuck() == said


def test_messages_have_no_time(console):
    assert console("[   12.345678]     ok 1 a").messages() == ["    ok 1 a"]


def test_excerpt(console):
    assert console("before", "harness: begin a", "inside", "harness: end a", "after").excerpt("a") == "inside"
