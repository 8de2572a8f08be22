# SPDX-License-Identifier: GPL-2.0
"""Tests rvt/bench/uml.py and the modules it is made of."""

import json
import os
import tempfile
import threading
import types
import unittest
from pathlib import Path
from unittest import mock

from rvt import uml, uml_disk, uml_fio, uml_profile
from rvt.bench import cells
from rvt.bench import uml as leg
from rvt.bench.symbols import Symbols
from rvt.say import Failure

INTERRUPTS = """           CPU0       CPU1
   0:        400        300  SIGALRM         hr timer
  12:         70         30  SIGIO           virtio-uml.0-req.0, virtio-uml.0-req.1
  13:          5          0  SIGIO           virtio-uml
  14:         99         99  SIGIO           console
"""


SYMBOLS = Symbols("""0000000060001000 T _text
0000000060002000 t vring_interrupt
0000000060003000 T schedule
0000000080000000 t virtblk_done\t[virtio_blk]
0000000080000100 t virtio_queue_rq\t[virtio_blk]
""")
SAMPLES = uml_profile.count(
    [0x80000010, 0x80000020, 0x80000110, 0x60002004, 0x60003000, 0x60001fff, 0x7f0000001000,
     *[0xffffffff81000000 + n for n in range(9)]], SYMBOLS, {"vring_interrupt": "virtio_ring"})


def layer(module: str) -> str:
    """Returns the layer of a module."""
    return {"virtio_blk": "driver", "virtio_ring": "ring"}.get(module, "kernel")


def report(reads: int = 100, writes: int = 0, error: int = 0) -> str:
    """Returns what fio would print."""
    def side(count: int) -> dict:
        bins = {"1000": count // 2, "3000": count - count // 2} if count else {}
        return {"total_ios": count, "iops": count / 2, "bw_bytes": count * 2048,
                "clat_ns": {"bins": bins}}

    return "fio: a note\n" + json.dumps(
        {"jobs": [{"error": error, "read": side(reads), "write": side(writes)}]})


class Parsing(unittest.TestCase):
    """What fio and the guest's kernel print."""

    def test_fio_report(self):
        run = uml_fio.parse(report())
        self.assertEqual((run.operations, run.rate), (100, 50))
        self.assertAlmostEqual(run.megabytes, 0.2048)
        self.assertEqual(run.bins, {1000: 50, 3000: 50})

    def test_reads_and_writes_are_added(self):
        run = uml_fio.parse(report(100, 60))
        self.assertEqual(run.operations, 160)
        self.assertEqual(run.bins, {1000: 80, 3000: 80})

    def test_fio_that_failed(self):
        for text in (report(error=5), report(0), "fio: out of memory", "{", '{"jobs": []}'):
            with self.subTest(text), self.assertRaises(Failure):
                uml_fio.parse(text)

    def test_interrupts_of_all_queues_and_processors(self):
        self.assertEqual(uml_disk.interrupts(INTERRUPTS), 105)

    def test_requests_of_a_disk(self):
        self.assertEqual(uml_disk.completed(" 30 0 240 7 12 0 96 3 0 8 10 0 0 0 0 2 1"), 42)


class Latencies(unittest.TestCase):
    """Percentiles and distributions."""

    def test_percentiles(self):
        bins = {1000: 98, 5000: 1, 9000: 1}
        self.assertEqual(uml_fio.percentile(bins, 0.5), 1)
        self.assertEqual(uml_fio.percentile(bins, 0.99), 5)
        self.assertEqual(uml_fio.percentile(bins, 1), 9)

    def test_distribution_ends_at_one_and_is_thinned(self):
        points = uml_fio.distribution({1000 + n: 1 for n in range(5000)})
        self.assertLessEqual(len(points), 105)
        self.assertEqual(points[-1], [5.999, 1.0])
        self.assertEqual(points, sorted(points))

    def test_runs_are_merged(self):
        runs = [uml_fio.parse(report()), uml_fio.parse(report(10))]
        self.assertEqual(uml_fio.merged(runs), {1000: 55, 3000: 55})


class Cells(unittest.TestCase):
    """What becomes of samples."""

    @staticmethod
    def _bits(*on: int) -> str:
        return "".join("1" if bit in on else "0" for bit in range(128))

    def test_options_are_what_was_agreed_on(self):
        setup = leg.Setup(4, 2, [], 1, 1)
        self.assertEqual(leg.options(setup, self._bits(28, 32)),
                         {"indirect": True, "event_idx": False, "iommu": False, "vcpus": 4,
                          "queues": 2})

    def test_layouts(self):
        for bits, name in (((32,), "split"), ((34,), "packed"), ((35,), "split-in-order"),
                           ((34, 35), "packed-in-order")):
            self.assertEqual(leg.layout(self._bits(*bits)), name)

    def test_figures(self):
        random, large = (next(w for w in uml_fio.WORKLOADS if w.name == name)
                         for name in ("blk-randread-4k-qd1", "blk-seqread-128k-qd8"))
        sample = uml_disk.Sample(uml_fio.parse(report()), 42e-6, 1.5, 0.5)
        found = leg.figures(random, [sample], layer)
        self.assertEqual(found["throughput"], ("operations/s", True, [50]))
        self.assertEqual(found["latency_p99"], ("us", False, [3]))
        self.assertAlmostEqual(found["time_host"][2][0], 42)
        found = leg.figures(large, [sample], layer)
        self.assertEqual(found["throughput"][0], "MB/s")
        self.assertNotIn("latency_p50", found)

    def test_queues_need_processors(self):
        enough, none = leg.setups(False, 8)
        few, skipped = leg.setups(False, 2)
        self.assertEqual((len(none), len(skipped)), (0, 2))
        self.assertEqual(len(enough) - len(few), 2)
        self.assertTrue(all(setup.queues == 1 for setup in few))

    def test_quick_is_a_part_of_full(self):
        quick, _ = leg.setups(True, 2)
        full, _ = leg.setups(False, 2)
        names = {workload.name for setup in full for workload in setup.workloads}
        self.assertTrue({w.name for setup in quick for w in setup.workloads} <= names)

    def test_figures_are_of_known_metrics(self):
        sample = uml_disk.Sample(uml_fio.parse(report()), 1e-6, 1, 1, SAMPLES)
        for workload in uml_fio.WORKLOADS:
            self.assertTrue(set(leg.figures(workload, [sample], layer)) <= set(cells.METRICS))


class Profiles(unittest.TestCase):
    """Where the time goes."""

    def test_addresses_are_named(self):
        self.assertEqual(SAMPLES["virtio_blk", "virtblk_done"], 2)
        self.assertEqual(SAMPLES["virtio_ring", "vring_interrupt"], 1)
        self.assertEqual(SAMPLES["vmlinux", "schedule"], 1)
        self.assertEqual(SAMPLES["libraries", ""], 1)
        self.assertEqual(SAMPLES["host kernel", ""], 9)

    def test_share_is_that_of_driver_and_ring(self):
        self.assertEqual(uml_profile.share(SAMPLES, layer), 4 / 16)

    def test_parts_make_up_the_whole(self):
        parts = uml_profile.parts(SAMPLES, layer, 32)
        self.assertAlmostEqual(sum(part["value"] for part in parts), 32)
        self.assertEqual(parts[0], {"layer": "kernel", "module": "host kernel", "function": "",
                                    "value": 18})
        self.assertIn({"layer": "driver", "module": "virtio_blk", "function": "virtblk_done",
                       "value": 4}, parts)

    def test_time_of_driver_and_ring(self):
        random = next(w for w in uml_fio.WORKLOADS if w.name == "blk-randread-4k-qd1")
        samples = [uml_disk.Sample(uml_fio.parse(report()), 40e-6, 1, 1, SAMPLES),
                   uml_disk.Sample(uml_fio.parse(report()), 80e-6, 1, 1, SAMPLES)]
        self.assertEqual(leg.figures(random, samples, layer)["time_driver_ring"][2], [10, 20])
        samples[0].profile = None
        self.assertNotIn("time_driver_ring", leg.figures(random, samples, layer))


class Leg(unittest.TestCase):
    """What the leg does where it cannot measure."""

    def setUp(self):
        self._dir = tempfile.TemporaryDirectory()
        self.kdir = Path(self._dir.name)
        report_of_cells = cells.Report(self.kdir / "bench.json", {})
        self.bench = types.SimpleNamespace(report=report_of_cells, quick=True, stacks=[
            types.SimpleNamespace(label="C", replaces={}),
            types.SimpleNamespace(label="R", replaces={"virtio_ring": "rust_virtio_ring"})])

    def tearDown(self):
        self._dir.cleanup()

    def test_quick_builds_no_kernel(self):
        with mock.patch.object(leg.kernel, "is_built", return_value=False), \
                mock.patch.object(leg.uml_storage, "available", return_value=""), \
                mock.patch.object(leg.shutil, "which", return_value="/usr/bin/fio"), \
                mock.patch.object(leg.kernel, "directory") as build:
            leg.run(self.bench)
        build.assert_not_called()
        self.assertIn("--variant uml", self.bench.report.skipped[0]["why"])
        self.assertEqual(self.bench.report.problems, [])

    def test_missing_tools_are_named(self):
        with mock.patch.object(leg.uml_storage.shutil, "which", return_value=None), \
                self.assertRaisesRegex(Failure, "qemu-storage-daemon.*qemu-utils"):
            leg.run(self.bench)

    def test_a_ring_that_is_built_in_cannot_be_replaced(self):
        (self.kdir / "modules.builtin").write_text("kernel/drivers/virtio/virtio_ring.ko\n")
        self.assertEqual([stack.label for stack in leg._possible(self.bench, self.kdir)], ["C"])
        self.assertIn("virtio_ring", self.bench.report.skipped[0]["why"])

    def test_rings_that_are_not_there_are_named(self):
        leg._say_what_is_not_there(self.bench, {28, 29, 32, 34})
        text = str(self.bench.report.skipped)
        self.assertIn("rings in order", text)
        self.assertNotIn("packed", text)


class Time(unittest.TestCase):
    """Processor time from outside."""

    def test_time_of_a_process_is_that_of_all_its_threads(self):
        before = uml.processor_time(os.getpid())
        thread = threading.Thread(target=sum, args=(range(3_000_000),))
        thread.start()
        thread.join()
        after = uml.processor_time(os.getpid())
        self.assertGreater(after - before, 0.005)

    def test_no_such_process(self):
        with self.assertRaises(Failure):
            uml.processor_time(2 ** 22 + 1)


if __name__ == "__main__":
    unittest.main()
