# SPDX-License-Identifier: GPL-2.0
"""Made-up reports with every kind of result, for the tests of the benchmark's report."""

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
    made.skipped.append({"what": "net-udp-rx",
                         "why": "no <sockperf> & \"friends\" on this machine"})
    made.problems.append({"what": "throughput", "why": "the guest died half-way"})
    return made


def _result(who, workload, device, metric, value, unit, *, layout="split", accel="tcg", **more):
    return results.Result(workload, device, who[0], who[1], layout, accel, metric, value, unit,
                      command="make bench LEGS=x", **more)


def _device(workload: str) -> str:
    return "virtio-blk-pci" if workload.startswith("blk") else "virtio-net-pci"


def _breakdown(who, cost: float, numbers: tuple) -> list:
    names = (("driver", f"{who[0]}_virtio_blk", "queue_rq<T>"), ("ring", "virtio_ring", "add"),
             ("transport", "virtio_pci", "vp_notify"))
    return [{"layer": layer, "module": module, "function": function, "value": number * cost}
            for (layer, module, function), number in zip(names, numbers)]


def _costs(who) -> list:
    made = []
    for workload, numbers in _COSTS.items():
        parts = _breakdown(who, who[2], numbers)
        total = sum(part["value"] for part in parts)
        events = {"kicks": 1.0, "irqs": 1.0} if "qd1" in workload else {"kicks": 0.2, "irqs": 0.31}
        common = {"options": dict(USUAL), "spread": 0.001}
        made.append(_result(who, workload, _device(workload), "instr_driver_ring", total,
                          "instructions/op", breakdown=parts, **common))
        whole = parts + [{"layer": "kernel", "module": "", "function": "", "value": 14000.0},
                         {"layer": "user", "module": "", "function": "", "value": 900.0}]
        made.append(_result(who, workload, _device(workload), "instr_guest", total + 14900,
                          "instructions/op", breakdown=whole, **common))
        made += [_result(who, workload, _device(workload), name, value, f"{name}/op", **common)
                 for name, value in events.items()]
    return made


def _matrix(who) -> list:
    made = []
    for workload in ("blk-randread-4k-qd1", "net-icmp-echo"):
        for layout in ("split", "packed", "split-in-order", "packed-in-order"):
            for number in range(16):
                indirect, event, iommu, many = [not number >> bit & 1 for bit in range(4)]
                options = {"indirect": indirect, "event_idx": event, "iommu": not iommu,
                           "vcpus": 1 if many else 4}
                if layout == "split" and options == USUAL:
                    continue
                value = sum(_COSTS[workload]) * (who[2] - 0.03 * (number % 8)) + 40 * number
                gone = options["iommu"] and layout == "split-in-order"
                made.append(_result(who, workload, _device(workload), "instr_driver_ring",
                                  None if gone else value, "instructions/op", layout=layout,
                                  options=options, spread=None if gone else 0.001,
                                  note="the device refuses <in_order> with an IOMMU" if gone
                                  else ""))
    return made


def _rates(people, dice) -> list:
    made = []
    works = [("blk-randread-4k-qd1", "throughput", "IOPS", 0.02, "tcg"),
             ("blk-randwrite-4k-qd32", "throughput", "IOPS", 0.2, "tcg"),
             ("blk-seqread-128k", "throughput", "MB/s", 0.03, "tcg"),
             ("net-tcp-rx", "throughput", "Mb/s", 0.02, "tcg"),
             ("blk-randread-4k-qd1", "throughput", "IOPS", 0.01, "uml"),
             ("blk-randread-4k-qd1", "latency_p50", "us", 0.02, "tcg"),
             ("blk-randread-4k-qd1", "latency_p99", "us", 0.3, "tcg"),
             ("blk-randread-4k-qd1", "time_host", "us/op", 0.01, "uml"),
             ("blk-randread-4k-qd1", "time_driver_ring", "us/op", 0.01, "uml")]
    for workload, metric, unit, noise, accel in works:
        base = None
        for who in people:
            speed = who[3] if metric == "throughput" else 1 / who[3]
            samples = [1000 * speed * (1 + dice.uniform(-noise, noise)) for _ in range(6)]
            base = base or samples
            found = None if who is people[0] else \
                ratio.compare(samples, base, metric == "throughput")
            points = [[400 + 20 * i / who[3], 1 / (1 + math.exp(8 - i / 3))] for i in range(60)]
            made.append(_result(who, workload, _device(workload), metric, sorted(samples)[3], unit,
                              samples=samples, spread=ratio.spread(samples), ratio=found,
                              accel=accel, options={"vcpus": 4, "queues": 1},
                              cdf=points if metric == "latency_p50" else None))
    return made


def _classic(people) -> list:
    made = []
    for who, device in [(("e1000", "", 1, 0.1), "e1000"), *[(p, "virtio-net-pci") for p in people]]:
        slow = who[0] == "e1000"
        for metric, unit, value in (("throughput", "Mb/s", 95 if slow else 1000 * who[3]),
                                    ("exits", "exits/s", 30000 if slow else 1500),
                                    ("exits", "exits/MB", 2500 if slow else 12),
                                    ("irqs", "irqs/s", 4000 if slow else 300)):
            base = 1000 if metric == "throughput" else value
            found = ratio.compare([value] * 6, [base] * 6, metric == "throughput")
            made.append(_result(who, "classic-tcp-tx", device, metric, value, unit,
                              layout="" if slow else "split", ratio=None if who == C else found,
                              options={"per": unit.partition("/")[2]}))
    return made


def _memory(who) -> list:
    return [_result(who, work, "", "memory", value * who[2], "bytes", layout="", accel="",
                  spread=0.0, breakdown=[{"layer": "driver", "module": "virtio_blk", "function": "",
                                      "value": value * who[2]}])
            for work, value in (("module-text", 48000), ("module-data", 5200),
                                ("blk-per-queue", 9000), ("blk-per-request", 320))]


def _host() -> list:
    made = []
    for work, value in (("ring-add3-get-split", 40.0), ("ring-add3-get-packed", 55.0)):
        for name, factor in (("c-virtio_ring", 1.0), ("rust-ring", 0.5), ("virtio-drivers", 1.4)):
            for metric, unit in (("time_host", "ns/op"), ("instr_driver_ring", "instructions/op")):
                samples = [value * factor * (1 + i / 1000) for i in range(6)]
                base = [value * (1 + i / 1000) for i in range(6)]
                made.append(_result((name, name), work, "host", metric, samples[3], unit,
                                  layout=work.rpartition("-")[2], accel="host", samples=samples,
                                  spread=ratio.spread(samples),
                                  ratio=None if factor == 1.0 else
                                  ratio.compare(samples, base, False)))
    return made
