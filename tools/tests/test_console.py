# SPDX-License-Identifier: GPL-2.0
"""Tests that complaints of the kernel are found, and are blamed on the right step."""

import tempfile
import unittest
from pathlib import Path

from harness.guest.console import Console


def console(*lines: str) -> Console:
    """Returns a console log with these lines, read."""
    with tempfile.NamedTemporaryFile("w", suffix=".log", delete=False) as log:
        log.write("\n".join(lines) + "\n")
    found = Console(Path(log.name))
    found.poll()
    Path(log.name).unlink()
    return found


class Complaints(unittest.TestCase):
    """What counts as a complaint."""

    def test_quiet_log(self):
        for line in ("[ 1.0] rust_virtio_blk virtio0: ok",
                     "DMA-API: preallocated 65536 debug entries",
                     "DMA-API: debugging enabled by kernel config",
                     "DMA-API: dma_debug_entry pool grown to 131072 (200%)",
                     "kmemleak: Automatic memory scanning thread started"):
            with self.subTest(line):
                assert console(line).splats() == []

    def test_kinds(self):
        for line in ("------------[ cut here ]------------", "BUG: kernel NULL pointer dereference",
                     "Oops: general protection fault", "Kernel panic - not syncing: x",
                     "INFO: task fio:12 blocked for more than 120 seconds.",
                     "BUG: KASAN: slab-out-of-bounds in f", "rust_kernel: panicked at a.rs:1:2:",
                     "WARNING: possible circular locking dependency detected",
                     "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected",
                     "WARNING: modprobe/77 still has locks held!", "[ BUG: Invalid wait context ]",
                     "INFO: trying to register non-static key.",
                     "BUG kmalloc-64 (Tainted: G    B   ): Redzone overwritten",
                     "DMA-API: debugging out of memory - disabling",
                     "DMA-API: pci 0000:00:02.0: device driver frees DMA memory with wrong function",
                     "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
                     "harness: complaint: lockdep has switched itself off",
                     "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
                     "watchdog: BUG: soft lockup - CPU#0 stuck for 26s!"):
            with self.subTest(line):
                assert len(console(line).splats()) == 1

    def test_step(self):
        log = console("harness: begin a/b", "harness: end a/b", "harness: begin c/d", "BUG: x", "harness: end c/d")
        assert [step for step, _ in log.splats()] == ["c/d"]

    def test_before_any_step(self):
        assert console("BUG: x").splats()[0][0] == "boot"

    def test_between_steps(self):
        assert console("harness: begin a", "harness: end a", "BUG: x").splats()[0][0] == "after-a"

    def test_expected(self):
        assert console("BUG: an expected one").splats(["an expected"]) == []

    def test_stuck(self):
        assert console("a", "b").stuck() == ""
        line = "INFO: task fio:12 blocked for more than 120 seconds."
        assert console("a", line).stuck() == line

    def test_messages_have_no_time(self):
        assert console("[   12.345678]     ok 1 a").messages() == ["    ok 1 a"]

    def test_excerpt(self):
        log = console("before", "harness: begin a", "inside", "harness: end a", "after")
        assert log.excerpt("a") == "inside"
