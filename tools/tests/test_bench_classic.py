# SPDX-License-Identifier: GPL-2.0
"""Tests rvt/bench/classic.py."""

import os
import subprocess
import tempfile
import types
import unittest
from pathlib import Path
from unittest import mock

from rvt.bench import Bench, classic
from rvt.bench.stacks import Stack, by_ring
from rvt.say import Failure

C = Stack("c", "c", "C", "", ["virtio_net"], "virtio_blk", "virtio_net")


class CardTest(unittest.TestCase):
    """The emulated card among the stacks."""

    def test_shares_the_guest_of_the_first_stack(self):
        card = classic._card(C)
        self.assertEqual([s.driver for s in by_ring([card, C])["c"]], ["e1000", "c"])
        self.assertEqual((card.net, card.modules, C.net), ("e1000", ["e1000"], "virtio_net"))


class WithoutTest(unittest.TestCase):
    """What is missing is left out, and said."""

    def run_leg(self, iperf3: bool, kvm_counts: bool) -> tuple:
        """Runs the leg where QEMU has no plugins; returns what was left out, and measured."""
        said, measured = [], []
        report = types.SimpleNamespace(skip=lambda what, why: said.append((what, why)))
        bench = Bench(report, [C], False, None, [], "make bench")
        streams = types.SimpleNamespace(
            samples=lambda task, stack, field: [1.0 if kvm_counts else None])

        def refuse():
            raise Failure("QEMU was built without plugins")

        with mock.patch("shutil.which", lambda name: "/bin/iperf3" if iperf3 else None), \
                mock.patch.object(classic, "otherwise_busy", lambda: ""), \
                mock.patch.object(classic, "_streams",
                                  lambda bench, busy: measured.append("streams") or streams), \
                mock.patch("rvt.bench.plugin.build", refuse):
            classic.run(bench)
        return said, measured

    def test_no_plugins_in_qemu(self):
        said, measured = self.run_leg(True, False)
        self.assertEqual(measured, ["streams"])
        self.assertEqual(said, [("classic: exits", "QEMU was built without plugins")])

    def test_kvm_counts_exits_itself(self):
        self.assertEqual(self.run_leg(True, True), ([], ["streams"]))

    def test_no_iperf3(self):
        said, measured = self.run_leg(False, False)
        self.assertEqual(measured, [])
        self.assertIn("iperf3 is not installed", said[0][1])


class ExitsTest(unittest.TestCase):
    """Where exits come from."""

    def test_kvm_tells_of_the_right_guest(self):
        with tempfile.TemporaryDirectory() as name:
            top = Path(name)
            other = subprocess.Popen(["sleep", "60"], cwd=name)
            self.addCleanup(other.wait)
            self.addCleanup(other.kill)
            for pid, value in ((os.getpid(), "4711\n"), (other.pid, "1\n")):
                directory = top / f"{pid}-12"
                directory.mkdir()
                (directory / "exits").write_text(value)
            (top / "exits").write_text("9\n")
            self.assertEqual(classic.kvm_exits(Path(os.getcwd()), top), "4711")
            self.assertEqual(classic.kvm_exits(top, top), "1")
            self.assertEqual(classic.kvm_exits(Path("/nowhere"), top), "")
        self.assertEqual(classic.kvm_exits(Path("/"), Path("/nowhere")), "")

    def test_counted_for_an_amount_and_for_a_second(self):
        card = classic._card(C)
        streams = types.SimpleNamespace(samples=lambda task, stack, field: [80.0, 160.0, None])
        counts = {"total": [320, None, 640], "mb": [16.0, 16.0, 16.0],
                  "kinds": [{"mmio": 320}, None, {"mmio": 600, "hlt": 40, "eoi": 9}]}
        counted = types.SimpleNamespace(samples=lambda task, stack, field: counts[field])
        added = []
        bench = types.SimpleNamespace(stacks=[card, C], command="make bench LEGS=classic",
                                      report=types.SimpleNamespace(add=added.append))
        classic._add_counts(bench, streams, counted, "out", "")
        per_mb, per_second = added[2:]
        self.assertEqual((per_mb.device, added[0].device, added[0].ring),
                         ("virtio-net-pci", "e1000", ""))
        self.assertEqual((per_mb.value, per_mb.samples), (30, [20, 40]))
        self.assertEqual(per_second.value, 30 * 15)
        self.assertEqual({part["module"] for part in per_mb.parts}, {"mmio", "hlt"})
        self.assertEqual(len({cell.key() for cell in added}), 4)


if __name__ == "__main__":
    unittest.main()
