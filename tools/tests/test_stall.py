# SPDX-License-Identifier: GPL-2.0
"""Tests harness/guest/stall.py."""

import types
import unittest
from unittest import mock

from harness.guest import accel, stall

IDLE = "[  169.1] rcu: \t2-...!: (1 GPs behind) idle=7270/0/0x0 softirq=24/24 fqs=1 (false positive?)"
TABLES = ("qemu-system-x86_64: system/physmem.c:2678: iotlb_to_section: Assertion "
          "`section_index < d->map.sections_nb' failed.")
BUSY = "[  169.1] rcu: \t2-....: (5249 ticks this GP) idle=72cc/1/0x4000 softirq=24/24 fqs=2624"


class StallTest(unittest.TestCase):
    """Which guests are run again."""

    def setUp(self):
        self.enter(mock.patch.object(accel, "_chosen", "tcg"))

    def _reason(self, console: str, error: str = "stuck", splats=()) -> str:
        (self.top / "console.log").write_text(console)
        return stall.reason(types.SimpleNamespace(error=error, splats=list(splats), rundir=self.top))

    def test_idle_processor(self):
        assert "false positive" in self._reason(IDLE)
        assert "false positive" in self._reason(IDLE, "", ["x"])

    def test_busy_processor(self):
        assert self._reason(BUSY) == ""

    def test_healthy_guest(self):
        assert self._reason(IDLE, "") == ""

    def test_boot_before_the_drivers(self):
        assert self._reason("[ 1.0] x", "did not boot within 300 s") != ""
        assert self._reason("rust_virtqueue: loading", "did not boot within 300 s") == ""

    def test_qemu_trips_over_its_tables(self):
        (self.top / "qemu.log").write_text(TABLES)
        assert "iotlb" in self._reason("", "QEMU ended half-way (status -6)")
        assert self._reason("", "") == ""

    def test_another_assertion_of_qemu(self):
        (self.top / "qemu.log").write_text(TABLES.replace("iotlb_to_section", "virtio"))
        assert self._reason("", "QEMU ended half-way (status -6)") == ""

    def test_kvm(self):
        accel._chosen = "kvm"
        assert self._reason(IDLE) == ""
