# SPDX-License-Identifier: GPL-2.0
"""Throughput and latency, as ratios of neighbours in time."""

import os
import shutil

from harness.build import kmods
from harness.guest import accel

from . import ratio, samples, workloads
from .rounds import Plan, Rounds

TITLE = "Throughput and latency"
_SCRIPTS = ["throughput-blk.sh", "throughput-net.sh"]
_BACKEND = {"blk": "Back end: QEMU's null device.", "net": "Back end: TAP, without vhost."}


def run(bench) -> None:
    """Measures every workload on every stack, in rounds, in a guest for each processor count."""
    loads = _possible(bench, [load for load in workloads.every() if load.quick or not bench.quick])
    seconds = 2 if accel.choose(kmods.image(bench.kdir)) == "kvm" and not bench.quick else 1
    busy = samples.otherwise_busy()
    for vcpus in sorted({load.vcpus for load in loads}):
        _guest(bench, vcpus, [load for load in loads if load.vcpus == vcpus], seconds, busy)


def _guest(bench, vcpus: int, loads: list, seconds: int, busy: str) -> None:
    """Measures what is done in one guest."""
    by_task = {load.task: load for load in loads}
    Rounds(bench, Plan(
        "throughput", {load.task: _command(load, seconds) for load in loads},
        ratio.ROUNDS if bench.quick else ratio.MANY, workloads.guest(vcpus), _SCRIPTS,
        prepare="sh /run/harness/job/throughput-net.sh serve",
        finished=lambda rounds, name: _add(bench, rounds, by_task[name], busy))).run()


def _command(load, seconds: int):
    return lambda stack: load.command(getattr(stack, load.kind), seconds)


def _possible(bench, loads: list) -> list:
    """Leaves out what this machine has no program for."""
    absent = sorted({load.needs for load in loads if load.needs and not shutil.which(load.needs)})
    for program in absent:
        names = [load.task for load in loads if load.needs == program]
        bench.report.skip(f"throughput: {', '.join(names)}",
                          f"{program} is not installed on the host (make setup)")
    return [load for load in loads if load.needs not in absent]


def _add(bench, rounds, load, busy: str) -> None:
    """Adds the results of a workload."""
    for figure in load.figures:
        def make(stack, figure=figure):
            made = samples.result(
                bench, "throughput", stack, load.name, figure.metric, figure.unit, device=f"virtio-{load.kind}-pci",
                options={"indirect": True, "event_idx": True, "iommu": False, "vcpus": load.vcpus,
                         "queues": load.queues}, note=_note(load) + busy)
            if figure.metric == "latency_p50":
                made.cdf = samples.distribution(rounds.samples(load.task, stack.name, "bins"))
            return made

        samples.add(bench.report, bench.stacks, rounds.by_stack(load.task, figure.field), make,
                    figure.more_is_better)


def _note(load) -> str:
    cpus = len(os.sched_getaffinity(0))
    few = f" The host has {cpus} CPUs for the {load.vcpus} of the guest." if cpus < load.vcpus else ""
    return _BACKEND[load.kind] + few
