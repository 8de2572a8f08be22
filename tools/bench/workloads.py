# SPDX-License-Identifier: GPL-2.0
"""The workloads of the throughput part, and the figures that each gives."""

import dataclasses

from harness.guest.spec import Disk, Nic

#: Queue counts of the disks and the NICs of the guest with several processors.
QUEUES = (1, 2, 4)
MANY = 4


@dataclasses.dataclass(frozen=True)
class Figure:
    """One figure of a workload."""

    #: The name in the guest's sample.
    field: str
    metric: str
    unit: str
    more_is_better: bool = True


_LATENCY = (Figure("p50", "latency_p50", "us", False), Figure("p99", "latency_p99", "us", False))


@dataclasses.dataclass(frozen=True)
class Workload:
    """One kind of work on one device."""

    name: str
    #: "blk" or "net".
    kind: str
    queues: int
    figures: tuple
    #: Arguments of the guest's script between the driver and the duration.
    arguments: str
    #: Processors of the guest. Work for one queue is done on one, where nothing depends on which
    #: processor the scheduler chooses; how work spreads over queues is measured on several.
    vcpus: int = 1
    #: The command that the host must have; guests have theirs in the image.
    needs: str = ""
    #: Part of the quick benchmark.
    quick: bool = False
    #: Seconds it takes at least.
    least: int = 1

    @property
    def task(self) -> str:
        """The name of its task: workloads on other queue counts are called the same."""
        return self.name if self.vcpus == 1 else f"{self.name}-{self.queues}q"

    @property
    def device(self) -> str:
        """The device in the guest's description."""
        return f"{self.kind}{QUEUES.index(self.queues)}"

    def command(self, driver: str, seconds: int) -> str:
        """Returns the command line in the guest."""
        return (f"sh /run/harness/job/throughput-{self.kind}.sh {self.device} {driver} "
                f"{self.arguments} {max(seconds, self.least)}")


def _blk(name: str, bs: str, depth: int, queues: int = 1, **more) -> Workload:
    rate = Figure("iops", "throughput", "operations/s") if bs == "4k" else \
        Figure("mb_s", "throughput", "MB/s")
    rw = name.removeprefix("seq")
    return Workload(f"blk-{name}-{bs}-qd{depth}", "blk", queues,
                    (rate, *(_LATENCY if depth == 1 else ())), f"{rw} {bs} {depth} {queues}",
                    **more)


def _net(name: str, arguments: str, figures: tuple, queues: int = 1, needs="iperf3",
         **more) -> Workload:
    return Workload(f"net-{name}", "net", queues, figures, f"{arguments} {queues}", needs=needs,
                    **more)


def every() -> list:
    """Returns all workloads."""
    stream = (Figure("mbit_s", "throughput", "Mbit/s"),)
    packets = (Figure("packets_s", "throughput", "packets/s"),)
    rr = (Figure("per_s", "throughput", "transactions/s"), *_LATENCY)
    return [
        _blk("randread", "4k", 1, quick=True),
        _blk("randwrite", "4k", 1),
        _blk("randread", "4k", 32, quick=True),
        _blk("randwrite", "4k", 32),
        _blk("seqread", "128k", 8),
        _blk("seqwrite", "128k", 8),
        _net("tcp-stream-out", "stream out", stream, quick=True),
        _net("tcp-stream-in", "stream in", stream, quick=True),
        # Of the time it is given, sockperf takes more than a second to warm up and cool down.
        _net("tcp-rr", "rr out", rr, needs="sockperf", quick=True, least=2),
        _net("udp-64-out", "udp out", packets),
        _net("udp-64-in", "udp in", packets),
        *[_blk(name, "4k", 32, queues, vcpus=MANY) for queues in QUEUES
          for name in ("randread", "randwrite")],
        *[_net(f"tcp-8flows-{way}", f"flows {way}", stream, queues, vcpus=MANY)
          for queues in QUEUES for way in ("out", "in")],
    ]


def guest(vcpus: int) -> dict:
    """Returns the guest with so many processors: it has a disk and a NIC for each queue count.

    The disks are QEMU's null device: what is measured is the driver and the device model, not
    the disk of the host.
    """
    null = {"driver": "null-co", "read-zeroes": "on"}
    counts = QUEUES if vcpus > 1 else QUEUES[:1]
    return {"vcpus": vcpus,
            "blk": [Disk(size="1G", node=null, props={"num-queues": queues}) for queues in counts],
            "net": [Nic(queues=queues, dhcp=False) for queues in counts]}
