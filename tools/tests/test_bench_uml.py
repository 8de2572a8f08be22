# SPDX-License-Identifier: GPL-2.0
"""Tests bench/uml.py and the modules it is made of."""

import json
import os
import threading
import types

import pytest

from bench import results
from bench import uml as part
from bench.symbols import Symbols
from harness.say import Failure
from harness.uml import disk, fio, uml
from harness.uml import profile as uml_profile

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
RANDOM, LARGE = (next(work for work in fio.WORKLOADS if work.name == name)
                 for name in ("blk-randread-4k-qd1", "blk-seqread-128k-qd8"))


def layer(module: str) -> str:
    return {"virtio_blk": "driver", "virtio_ring": "ring"}.get(module, "kernel")


def printed(reads: int = 100, writes: int = 0, error: int = 0) -> str:
    """Returns what fio would print."""
    def side(count: int) -> dict:
        bins = {"1000": count // 2, "3000": count - count // 2} if count else {}
        return {"total_ios": count, "iops": count / 2, "bw_bytes": count * 2048, "clat_ns": {"bins": bins}}

    return "fio: a note\n" + json.dumps({"jobs": [{"error": error, "read": side(reads), "write": side(writes)}]})


def sample(seconds: float, profile=None) -> disk.Sample:
    """Returns what was measured in one round."""
    return disk.Sample(fio.parse(printed()), seconds, 1.5, 0.5, profile)


def test_fio_report():
    run = fio.parse(printed())
    assert (run.operations, run.rate, run.bins) == (100, 50, {1000: 50, 3000: 50})
    assert run.megabytes == pytest.approx(0.2048)
    run = fio.parse(printed(100, 60))
    assert (run.operations, run.bins) == (160, {1000: 80, 3000: 80})


@pytest.mark.parametrize("text", [printed(error=5), printed(0), "fio: out of memory", "{", '{"jobs": []}'])
def test_fio_that_failed(text):
    with pytest.raises(Failure):
        fio.parse(text)


def test_interrupts_of_all_queues_and_requests_of_a_disk():
    assert disk.interrupts(INTERRUPTS) == 105
    assert disk.completed(" 30 0 240 7 12 0 96 3 0 8 10 0 0 0 0 2 1") == 42


@pytest.mark.parametrize("part, microseconds", [(0.5, 1), (0.99, 5), (1, 9)])
def test_percentiles(part, microseconds):
    assert fio.percentile({1000: 98, 5000: 1, 9000: 1}, part) == microseconds


def test_distribution_ends_at_one_and_is_thinned():
    points = fio.distribution({1000 + n: 1 for n in range(5000)})
    assert len(points) <= 105
    assert points[-1] == [5.999, 1.0]
    assert points == sorted(points)
    assert fio.merged([fio.parse(printed()), fio.parse(printed(10))]) == {1000: 55, 3000: 55}


def bits(*on: int) -> str:
    """Returns features as sysfs shows them."""
    return "".join("1" if bit in on else "0" for bit in range(128))


def test_options_are_what_was_agreed_on():
    assert part.options(part.Setup(4, 2, [], 1, 1), bits(28, 32)) == \
        {"indirect": True, "event_idx": False, "iommu": False, "vcpus": 4, "queues": 2}
    assert [part.layout(bits(*on)) for on in ((32,), (34,), (35,), (34, 35))] == \
        ["split", "packed", "split-in-order", "packed-in-order"]


def test_figures():
    found = part.figures(RANDOM, [sample(42e-6)], layer)
    assert found["throughput"] == ("operations/s", True, [50])
    assert found["latency_p99"] == ("us", False, [3])
    assert found["time_host"][2] == [pytest.approx(42)]
    found = part.figures(LARGE, [sample(42e-6)], layer)
    assert found["throughput"][0] == "MB/s"
    assert "latency_p50" not in found
    for workload in fio.WORKLOADS:
        assert set(part.figures(workload, [sample(1e-6, SAMPLES)], layer)) <= set(results.METRICS)


def test_cells_of_a_setup(report):
    stacks = [types.SimpleNamespace(name=f"{driver}-c", driver=driver, ring="c") for driver in ("c", "rust")]
    bench = types.SimpleNamespace(command="make bench", layer=layer, report=report)
    taken = {(RANDOM.name, stack.name): [sample(seconds, SAMPLES)] * 6
             for stack, seconds in zip(stacks, (40e-6, 80e-6))}
    part._add(bench, stacks, part.Setup(1, 1, [RANDOM, LARGE], 6, 1), bits(28, 29, 32), taken)
    found = {(result.driver, result.metric): result for result in report.results}
    assert len(found) == len(report.results) == 2 * len(part.figures(RANDOM, [sample(1e-6, SAMPLES)], layer))
    result = found["rust", "time_host"]
    assert (result.value, result.ratio["value"], result.layout, result.accel) == (pytest.approx(80), 2, "split", "uml")
    assert sum(part["value"] for part in result.breakdown) == pytest.approx(80)
    assert found["c", "time_host"].ratio is None
    assert found["rust", "latency_p50"].cdf[-1] == [3.0, 1.0]


def test_queues_need_processors():
    (enough, none), (few, skipped) = part.setups(False, 8), part.setups(False, 2)
    assert (len(none), len(skipped), len(enough) - len(few)) == (0, 2, 2)
    assert {setup.queues for setup in few} == {1}


def test_quick_is_a_part_of_full():
    quick, full = ({work.name for setup in part.setups(quick, 2)[0] for work in setup.workloads}
                   for quick in (True, False))
    assert quick <= full


def test_addresses_of_a_profile_are_named():
    for key, count in ((("virtio_blk", "virtblk_done"), 2), (("virtio_ring", "vring_interrupt"), 1),
                       (("vmlinux", "schedule"), 1), (("libraries", ""), 1), (("host kernel", ""), 9)):
        assert SAMPLES[key] == count
    assert uml_profile.share(SAMPLES, layer) == 4 / 16


def test_parts_of_a_profile_make_up_the_whole():
    parts = uml_profile.parts(SAMPLES, layer, 32)
    assert sum(part["value"] for part in parts) == pytest.approx(32)
    assert parts[0] == {"layer": "kernel", "module": "host kernel", "function": "", "value": 18}
    assert {"layer": "driver", "module": "virtio_blk", "function": "virtblk_done", "value": 4} in parts


def test_time_of_driver_and_ring():
    taken = [sample(40e-6, SAMPLES), sample(80e-6, SAMPLES)]
    assert part.figures(RANDOM, taken, layer)["time_driver_ring"][2] == [10, 20]
    taken[0].profile = None
    assert "time_driver_ring" not in part.figures(RANDOM, taken, layer)


@pytest.fixture
def bench(report):
    return types.SimpleNamespace(report=report, quick=True, stacks=[
        types.SimpleNamespace(label="C", replaces={}),
        types.SimpleNamespace(label="R", replaces={"virtio_ring": "rust_virtio_ring"})])


def test_quick_builds_no_kernel(bench, monkeypatch):
    built = []
    monkeypatch.setattr(part.kernel, "is_built", lambda variant: False)
    monkeypatch.setattr(part.uml_storage, "available", lambda: "")
    monkeypatch.setattr(part.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(part.kernel, "directory", lambda *arguments: built.append(arguments))
    part.run(bench)
    assert built == bench.report.problems == []
    assert "--variant uml" in bench.report.skipped[0]["why"]


def test_missing_tools_are_named(bench, monkeypatch):
    monkeypatch.setattr(part.uml_storage.shutil, "which", lambda name: None)
    with pytest.raises(Failure, match="qemu-storage-daemon.*qemu-utils"):
        part.run(bench)


def test_a_ring_that_is_built_in_cannot_be_replaced(bench, tmp_path):
    (tmp_path / "modules.builtin").write_text("kernel/drivers/virtio/virtio_ring.ko\n")
    assert [stack.label for stack in part._possible(bench, tmp_path)] == ["C"]
    assert "virtio_ring" in bench.report.skipped[0]["why"]


def test_rings_that_are_not_there_are_named(bench):
    part._say_what_is_not_there(bench, {28, 29, 32, 34})
    text = str(bench.report.skipped)
    assert "rings in order" in text and "packed" not in text


def test_time_of_a_process_is_that_of_all_its_threads():
    before = uml.processor_time(os.getpid())
    thread = threading.Thread(target=sum, args=(range(3_000_000),))
    thread.start()
    thread.join()
    assert uml.processor_time(os.getpid()) - before > 0.005
    with pytest.raises(Failure):
        uml.processor_time(2 ** 22 + 1)
