# SPDX-License-Identifier: GPL-2.0
"""The part `uml`: native speed where there is no KVM.

The same driver modules in User-mode Linux, against qemu-storage-daemon by vhost-user. The guest's
kernel is a process whose instructions the processor runs itself, so times are those of real code,
though a request pays for signals and system calls where a guest pays for exits. One disk is given
from driver to driver through sysfs; every round measures all stacks, in turn from the first to the
last and back.
"""

import collections
import dataclasses
import itertools
import os
import shutil
import statistics
import time
from pathlib import Path

from harness.build import kernel, kmods, modtree, modules
from harness.paths import OUT
from harness.say import Failure, say
from harness.uml import fio
from harness.uml import profile as uml_profile
from harness.uml import storage as uml_storage
from harness.uml.disk import Disk
from harness.uml.uml import Uml

from . import ratio
from .results import Result
from .samples import add
from .variants import FEATURES, has

TITLE = "Native speed without KVM: User-mode Linux against qemu-storage-daemon"
DEVICE = "virtio-uml-blk"
VARIANT = "uml"

_SIZE = 1 << 30

@dataclasses.dataclass
class Setup:
    """A guest and its disk, and what is done with it."""

    vcpus: int
    queues: int
    workloads: list
    rounds: int
    seconds: float
    #: With a profile of the time.
    profile: bool = False


def setups(quick: bool, cpus: int) -> tuple:
    """Returns the setups to measure, and (name, reason) for each that needs a larger machine."""
    named = {workload.name: workload for workload in fio.WORKLOADS}
    random = [named["blk-randread-4k-qd1"], named["blk-randread-4k-qd32-batch16"]]
    if quick:
        return [Setup(1, 1, random, ratio.ROUNDS, 1)], []
    chosen = [Setup(1, 1, fio.WORKLOADS, ratio.MANY, 1, True)]
    skipped = []
    for count in (2, 4):
        # Each emulated processor is a thread, and so is the daemon.
        if cpus > count:
            chosen.append(Setup(count, count, random, ratio.ROUNDS, 1))
        else:
            skipped.append((f"uml with {count} queues", f"{count} processors of the guest and the "
                            f"daemon need {count + 1} processors, and there are {cpus}"))
    return chosen, skipped


def run(bench) -> None:
    """Measures all stacks; adds throughput, latency, processor time, interrupts and kicks."""
    wrong = uml_storage.available() or ("" if shutil.which("fio") else "fio is not installed")
    if wrong:
        raise Failure(wrong)
    if bench.quick and not kernel.is_built(VARIANT):
        bench.report.skip("uml", "the User-mode Linux kernel is not built; `make bench` or "
                          f"`tools/harness.py kernel --variant {VARIANT}` builds it, in about ten "
                          "minutes on two processors")
        return
    kdir = kernel.directory(VARIANT)
    ours = modules.build(kdir, variant=VARIANT)
    bench.report.about["uml kernel"] = kmods.release(kdir)
    bench.report.about["storage daemon"] = uml_storage.version()
    stacks = _possible(bench, kdir)
    chosen, skipped = setups(bench.quick, len(os.sched_getaffinity(0)))
    for what, why in skipped:
        bench.report.skip(what, why)
    for number, setup in enumerate(chosen):
        try:
            _measure(bench, kdir, ours, stacks, setup, number)
        except Failure as failure:
            bench.report.problem("uml", str(failure))


def _possible(bench, kdir: Path) -> list:
    """Returns the stacks that can run in this kernel; says why others cannot."""
    builtin = {Path(line).stem for line in (kdir / "modules.builtin").read_text().split()}
    chosen = []
    for stack in bench.stacks:
        fixed = sorted(set(stack.replaces) & builtin)
        if fixed:
            bench.report.skip(f"uml: {stack.label}", f"{', '.join(fixed)} is built into User-mode "
                              "Linux, as its virtio transport is: no module can take its place")
        else:
            chosen.append(stack)
    if not chosen:
        raise Failure("no stack can run in User-mode Linux")
    return chosen


def _measure(bench, kdir: Path, ours: list, stacks: list, setup: Setup, number: int) -> None:
    """Runs the rounds of one setup in one boot and adds the results, as far as it came."""
    rundir = OUT / "run" / f"{time.strftime('%H%M%S')}-uml-{number}"
    shutil.rmtree(rundir, ignore_errors=True)
    rundir.mkdir(parents=True)
    say(f"  {setup.vcpus} processor(s), {setup.queues} queue(s); logs: {rundir}")
    modtree.build(kdir, ours, rundir / "modules", rundir / "host.log")
    samples = {}
    with uml_storage.Storage(rundir) as storage:
        storage.add(_SIZE, setup.queues)
        storage.start()
        with Uml(kdir, rundir, setup.vcpus) as guest:
            guest.devices = [(storage.sockets[0], uml_storage.VIRTIO_BLK)]
            guest.watch.append(storage.check)
            try:
                guest.start()
                bench.report.about["uml scheduling"] = guest.scheduling()
                disk = Disk(guest, rundir / "modules", stacks)
                if number == 0:
                    _say_what_is_not_there(bench, disk.offered())
                disk.profile = _profile(bench, guest, kdir, rundir) if setup.profile else None
                for index in range(setup.rounds):
                    order = stacks if index % 2 == 0 else stacks[::-1]
                    for workload, stack in itertools.product(setup.workloads, order):
                        got = disk.measure(stack, workload, setup.queues, setup.seconds)
                        samples.setdefault((workload.name, stack.name), []).append(got)
                    say(f"  round {index + 1} of {setup.rounds} done")
            finally:
                if samples:
                    _add(bench, stacks, setup, disk.features, samples)
            for step, text in guest.complaints():
                bench.report.problem(f"uml: the kernel complained during {step}", text)
    shutil.rmtree(rundir / "modules")


def _say_what_is_not_there(bench, offered: set) -> None:
    """Notes the kinds of rings that cannot be measured here."""
    absent = [name for bit, name in (("packed", "packed rings"), ("in_order", "rings in order"),
                                     ("iommu_platform", "an IOMMU platform")) if FEATURES[bit] not in offered]
    if absent:
        bench.report.skip(f"uml: {', '.join(absent)}",
                          f"{uml_storage.BINARY} does not offer them over vhost-user")
    fixed = [name for bit, name in (("indirect_desc", "indirect descriptors"),
                                    ("event_idx", "event index")) if FEATURES[bit] in offered]
    if fixed:
        bench.report.skip(f"uml: rings without {' or '.join(fixed)}",
                          f"{uml_storage.BINARY} always offers that, and virtio_uml takes all that "
                          "is offered")


def _profile(bench, guest: Uml, kdir: Path, rundir: Path):
    """Returns what samples the guest, None (and a line in the report) if nothing can."""
    wrong = uml_profile.available(rundir)
    if wrong:
        bench.report.skip("uml: where the time goes", wrong)
        return None
    return uml_profile.Profile(guest.pid, kdir, guest.must("cat /proc/kallsyms"), rundir)


def options(setup: Setup, features: str) -> dict:
    """Returns a result's options from what the device offered and the driver took."""
    return {"indirect": has(features, "indirect_desc"), "event_idx": has(features, "event_idx"),
            "iommu": has(features, "iommu_platform"), "vcpus": setup.vcpus, "queues": setup.queues}


def layout(features: str) -> str:
    """Returns the layout of the ring."""
    return ("packed" if has(features, "packed") else "split") + ("-in-order" if has(features, "in_order") else "")


def figures(workload, samples: list, layer) -> dict:
    """Returns metric -> (unit, whether more is better, one value for each round); `layer` maps
    modules to layers."""
    runs = [sample.run for sample in samples]
    large = workload.block.endswith("128k")
    found = {
        "throughput": ("MB/s", True, [run.megabytes for run in runs]) if large else
                      ("operations/s", True, [run.rate for run in runs]),
        "time_host": ("us/op", False, [1e6 * sample.seconds for sample in samples]),
        "irqs": ("irqs/op", False, [sample.irqs for sample in samples]),
        "kicks": ("kicks/op", False, [sample.writes for sample in samples]),
    }
    if all(sample.profile for sample in samples):
        found["time_driver_ring"] = ("us/op", False, [
            1e6 * sample.seconds * uml_profile.share(sample.profile, layer) for sample in samples])
    if workload.latency:
        for name, part in (("latency_p50", 0.5), ("latency_p99", 0.99)):
            found[name] = ("us", False, [fio.percentile(run.bins, part) for run in runs])
    return found


#: Notes on metrics.
_NOTES = {
    "throughput": "against a null disk in another process; not the speed of a virtual machine",
    "time_host": "processor time of the guest's whole kernel, without the programs in it",
    "time_driver_ring": "the part of driver, ring and transport in the processor time, by perf's "
                        "samples",
    "kicks": "write system calls of the guest's kernel; all but a few are kicks",
}


def _add(bench, stacks: list, setup: Setup, features: str, samples: dict) -> None:
    """Adds the results of one setup."""
    for workload in setup.workloads:
        there = [stack for stack in stacks if (workload.name, stack.name) in samples]
        taken = {stack.name: samples[(workload.name, stack.name)] for stack in there}
        got = {name: figures(workload, mine, bench.layer) for name, mine in taken.items()}
        for metric in dict.fromkeys(metric for mine in got.values() for metric in mine):
            values = {name: mine[metric][2] for name, mine in got.items() if metric in mine}
            unit, more, _ = next(mine[metric] for mine in got.values() if metric in mine)

            def make(stack, metric=metric, unit=unit, workload=workload, taken=taken, values=values):
                mine = taken[stack.name]
                made = Result(workload.name, DEVICE, stack.driver, stack.ring, layout(features), "uml", metric, None,
                            unit, None, bench.command, options(setup, features), note=_NOTES.get(metric, ""))
                if metric == "latency_p50":
                    made.cdf = fio.distribution(fio.merged([sample.run for sample in mine]))
                if metric == "time_host" and all(sample.profile for sample in mine):
                    profile = sum((sample.profile for sample in mine), collections.Counter())
                    made.breakdown = uml_profile.parts(profile, bench.layer, statistics.median(values[stack.name]))
                return made

            add(bench.report, [stack for stack in there if stack.name in values], values, make, more)
