# SPDX-License-Identifier: GPL-2.0
"""What fio does to a disk, and what it says of it."""

import collections
import dataclasses
import json

from ..say import Failure

#: Where fio writes, in the guest.
REPORT = "/run/harness/fio.json"

#: fio's exit status after a signal.
STOPPED = 128

#: Seconds after which fio ends by itself.
LIMIT = 120

#: A distribution is thinned to about this many points.
_POINTS = 100


@dataclasses.dataclass
class Workload:
    """One way of using a disk."""

    name: str
    #: fio's rw=.
    rw: str
    block: str
    depth: int
    #: Whether single latencies are of interest.
    latency: bool = False
    #: How many requests go to the kernel, and come back, in one system call.
    batch: int = 1
    #: Whether to look where the time goes.
    profile: bool = False

    def command(self, disk: str, jobs: int) -> str:
        """Returns the command line. It runs until it is told to end by SIGTERM, when it leaves a
        report in REPORT and exits with STOPPED, or until LIMIT."""
        return ("fio --name=w --ioengine=libaio --direct=1 --randrepeat=1 --norandommap "
                f"--filename=/dev/{disk} --rw={self.rw} --bs={self.block} --iodepth={self.depth} "
                f"--iodepth_batch_submit={self.batch} "
                f"--iodepth_batch_complete_min={self.batch // 2 or 1} "
                f"--numjobs={jobs} --group_reporting --time_based --runtime={LIMIT} "
                f"--output-format=json+ --output={REPORT}")


WORKLOADS = [
    Workload("blk-randread-4k-qd1", "randread", "4k", 1, True, profile=True),
    Workload("blk-randwrite-4k-qd1", "randwrite", "4k", 1, True),
    Workload("blk-randread-4k-qd32", "randread", "4k", 32),
    Workload("blk-randwrite-4k-qd32", "randwrite", "4k", 32),
    # System calls are dear here, and fewer of them leave a larger share to the driver.
    Workload("blk-randread-4k-qd32-batch16", "randread", "4k", 32, batch=16, profile=True),
    Workload("blk-seqread-128k-qd8", "read", "128k", 8),
    Workload("blk-seqwrite-128k-qd8", "write", "128k", 8),
]


@dataclasses.dataclass
class Run:
    """What one run of fio came to."""

    operations: int
    #: Operations and megabytes per second.
    rate: float
    megabytes: float
    #: Completion latencies: nanoseconds -> how many operations.
    bins: dict


def parse(text: str) -> Run:
    """Reads fio's json+ report. Raises `Failure` if it is none, or if an operation failed."""
    try:
        job = json.loads(text[text.index("{"):])["jobs"][0]
        parts = [job["read"], job["write"]]
        done = [part for part in parts if part["total_ios"]]
        bins = _added({int(value): count for value, count in part["clat_ns"].get("bins", {}).items()} for part in done)
        run = Run(sum(part["total_ios"] for part in done), sum(part["iops"] for part in done),
                  sum(part["bw_bytes"] for part in done) / 1e6, bins)
    except (ValueError, KeyError, IndexError) as error:
        raise Failure(f"fio's report cannot be read ({error!r}): {text[:200]}")
    if job["error"] or not run.operations:
        raise Failure(f"fio failed (error {job['error']}, {run.operations} operations)")
    return run


def merged(runs: list) -> dict:
    """Returns the latencies of several runs together."""
    return _added(run.bins for run in runs)


def _added(counts) -> dict:
    return dict(sum(map(collections.Counter, counts), collections.Counter()))


def percentile(bins: dict, fraction: float) -> float:
    """Returns the latency, in microseconds, that `fraction` of the operations do not exceed."""
    left = fraction * sum(bins.values())
    for value in sorted(bins):
        left -= bins[value]
        if left <= 0:
            return value / 1000
    return None


def distribution(bins: dict) -> list:
    """Returns [[microseconds, fraction of operations that took no longer], ...]."""
    total, seen, points = sum(bins.values()), 0, []
    last = -1.0
    for value in sorted(bins):
        seen += bins[value]
        if seen / total - last >= 1 / _POINTS or seen == total:
            last = seen / total
            points.append([value / 1000, round(last, 6)])
    return points
