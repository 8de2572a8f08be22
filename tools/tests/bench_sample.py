# SPDX-License-Identifier: GPL-2.0
"""Made-up reports with every kind of result, for the tests of the benchmark's report."""

import itertools
import math
import random
from pathlib import Path

from bench import ratio, results

#: driver, ring, cost in terms of C, speed in terms of C.
C, RUST, OTHER = ("c", "c", 1.0, 1.0), ("rust", "c", 1.12, 0.98), ("zig", "lockfree", 0.5, 1.15)
STACKS = [
    {"driver": "c", "ring": "c", "label": "C driver, C ring", "color": "#4c72b0",
     "modules": ["virtio_blk", "virtio_net"]},
    {"driver": "rust", "ring": "c", "label": "Rust driver, C ring", "color": "#dd8452",
     "modules": ["rust_virtqueue", "rust_virtio_blk"]},
]
USUAL = {"indirect": True, "event_idx": True, "iommu": False, "vcpus": 1}
_COSTS = {"blk-randread-4k-qd1": (258, 693, 7), "blk-randwrite-4k-qd1": (262, 700, 7),
          "blk-randread-4k-qd32": (250, 610, 2), "net-icmp-echo": (1040, 1030, 2)}


def report(people=(C, RUST), seed: int = 1, path: Path = Path("bench.json")) -> results.Report:
    """Returns a report with all kinds of results for some stacks; `path` is not written."""
    made = results.Report(path, {
        "time": "2026-11-21 17:16:32 +0000", "commit": "0123456789ab",
        "guest kernel": "7.3.4", "qemu": "QEMU emulator version 10.0.2", "cpus": 2,
        "accelerator": "tcg (no /dev/kvm)", "compilers": ["rustc 1.96.0", "clang 22.1.8"],
        "cpu": "Some CPU <fast>", "stacks": STACKS, "added to": []})
    dice = random.Random(seed)
    for who in people:
        made.results += [*_costs(who), *_matrix(who), *_memory(who)]
    made.results += [*_rates(people, dice), *_classic(people), *_host()]
    made.skipped.append({"what": "net-udp-rx", "why": "no <sockperf> & \"friends\" on this machine"})
    made.problems.append({"what": "throughput", "why": "the guest died half-way"})
    return made


def _result(who, workload, metric, value, unit, *, device=None, layout="split", accel="tcg", **more):
    if device is None:
        device = "virtio-blk-pci" if workload.startswith("blk") else "virtio-net-pci"
    return results.Result(workload, device, who[0], who[1], layout, accel, metric, value, unit,
                          command="make bench LEGS=x", **more)


def _part(layer: str, module: str, function: str, value: float) -> dict:
    return {"layer": layer, "module": module, "function": function, "value": value}


def _costs(who):
    for workload, (driver, ring, transport) in _COSTS.items():
        parts = [_part("driver", f"{who[0]}_virtio_blk", "queue_rq<T>", driver * who[2]),
                 _part("ring", "virtio_ring", "add", ring * who[2]),
                 _part("transport", "virtio_pci", "vp_notify", transport * who[2])]
        whole = [*parts, _part("kernel", "", "", 14000.0), _part("user", "", "", 900.0)]
        total = sum(part["value"] for part in parts)
        kicks, irqs = (1.0, 1.0) if "qd1" in workload else (0.2, 0.31)
        for metric, value, unit, breakdown in (
                ("instr_driver_ring", total, "instructions/op", parts),
                ("instr_guest", total + 14900, "instructions/op", whole),
                ("kicks", kicks, "kicks/op", []), ("irqs", irqs, "irqs/op", [])):
            yield _result(who, workload, metric, value, unit, breakdown=breakdown, options=dict(USUAL), spread=0.001)


def _matrix(who):
    layouts = ("split", "packed", "split-in-order", "packed-in-order")
    for workload, layout, number in itertools.product(("blk-randread-4k-qd1", "net-icmp-echo"), layouts, range(16)):
        no_indirect, no_event, iommu, many = [bool(number >> bit & 1) for bit in range(4)]
        options = {"indirect": not no_indirect, "event_idx": not no_event, "iommu": iommu, "vcpus": 4 if many else 1}
        value = sum(_COSTS[workload]) * (who[2] - 0.03 * (number % 8)) + 40 * number
        more = {"spread": 0.001}
        if iommu and layout == "split-in-order":
            value, more = None, {"spread": None, "note": "the device refuses <in_order> with an IOMMU"}
        if layout != "split" or options != USUAL:
            yield _result(who, workload, "instr_driver_ring", value, "instructions/op", layout=layout, options=options,
                          **more)


def _rates(people, dice):
    for workload, metric, unit, noise, accel in (
            ("blk-randread-4k-qd1", "throughput", "IOPS", 0.02, "tcg"),
            ("blk-randwrite-4k-qd32", "throughput", "IOPS", 0.2, "tcg"),
            ("blk-seqread-128k", "throughput", "MB/s", 0.03, "tcg"),
            ("net-tcp-rx", "throughput", "Mb/s", 0.02, "tcg"),
            ("blk-randread-4k-qd1", "throughput", "IOPS", 0.01, "uml"),
            ("blk-randread-4k-qd1", "latency_p50", "us", 0.02, "tcg"),
            ("blk-randread-4k-qd1", "latency_p99", "us", 0.3, "tcg"),
            ("blk-randread-4k-qd1", "time_host", "us/op", 0.01, "uml"),
            ("blk-randread-4k-qd1", "time_driver_ring", "us/op", 0.01, "uml")):
        base = None
        for who in people:
            speed = who[3] if metric == "throughput" else 1 / who[3]
            samples = [1000 * speed * (1 + dice.uniform(-noise, noise)) for _ in range(6)]
            points = [[400 + 20 * i / who[3], 1 / (1 + math.exp(8 - i / 3))] for i in range(60)]
            yield _result(who, workload, metric, sorted(samples)[3], unit, samples=samples,
                          spread=ratio.spread(samples), accel=accel, options={"vcpus": 4, "queues": 1},
                          ratio=ratio.compare(samples, base, metric == "throughput") if base else None,
                          cdf=points if metric == "latency_p50" else None)
            base = base or samples


def _classic(people):
    for who, device in [(("e1000", "", 1, 0.1), "e1000"), *[(p, "virtio-net-pci") for p in people]]:
        slow = device == "e1000"
        for metric, unit, value in (("throughput", "Mb/s", 95 if slow else 1000 * who[3]),
                                    ("exits", "exits/s", 30000 if slow else 1500),
                                    ("exits", "exits/MB", 2500 if slow else 12),
                                    ("irqs", "irqs/s", 4000 if slow else 300)):
            base = 1000 if metric == "throughput" else value
            found = ratio.compare([value] * 6, [base] * 6, metric == "throughput")
            yield _result(who, "classic-tcp-tx", metric, value, unit, device=device, layout="" if slow else "split",
                          ratio=None if who == C else found, options={"per": unit.partition("/")[2]})


def _memory(who):
    for workload, size in (("module-text", 48000), ("module-data", 5200), ("blk-per-queue", 9000),
                           ("blk-per-request", 320)):
        yield _result(who, workload, "memory", size * who[2], "bytes", device="", layout="", accel="", spread=0.0,
                      breakdown=[_part("driver", "virtio_blk", "", size * who[2])])


def _host():
    works, rings = {"split": 40.0, "packed": 55.0}, {"c-virtio_ring": 1.0, "rust-ring": 0.5, "virtio-drivers": 1.4}
    for (layout, value), (name, factor) in itertools.product(works.items(), rings.items()):
        samples, base = ([value * f * (1 + i / 1000) for i in range(6)] for f in (factor, 1.0))
        for metric, unit in (("time_host", "ns/op"), ("instr_driver_ring", "instructions/op")):
            yield _result((name, name), f"ring-add3-get-{layout}", metric, samples[3], unit, device="host",
                          layout=layout, accel="host", samples=samples, spread=ratio.spread(samples),
                          ratio=None if factor == 1.0 else ratio.compare(samples, base, False))
