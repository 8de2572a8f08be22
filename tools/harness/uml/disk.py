# SPDX-License-Identifier: GPL-2.0
"""The disk of a User-mode Linux guest: given from driver to driver, and measured under load."""

import dataclasses
import time
from pathlib import Path

from ..say import Failure
from . import fio
from .uml import Uml

#: Seconds from the first requests to what is counted, and how long fio may take to start.
_WARM, _START = 0.2, 60
#: How many requests show that fio has started.
_FIRST = 50
#: fio's process, exit status and messages, in the guest.
_PID, _STATUS, _LOG = "/run/harness/fio.pid", "/run/harness/fio.status", "/run/harness/fio.log"


@dataclasses.dataclass
class Sample:
    """What one stack did with one workload in one round."""

    run: fio.Run
    #: Per operation: seconds of processor time, interrupts and write system calls of the guest's
    #: kernel.
    seconds: float
    irqs: float
    writes: float
    #: Where the time went, (module, function) -> samples; None if it was not looked at.
    profile: object = None


class Disk:
    """The only virtio device of a guest, given from driver to driver."""

    def __init__(self, guest: Uml, modules: Path, stacks: list):
        """Loads the drivers."""
        self._guest = guest
        #: Takes samples, if there is a way.
        self.profile = None
        #: What the device and its driver agreed on: the bits as sysfs has them.
        self.features = ""
        for stack in stacks:
            for module in stack.modules:
                if module != stack.net:
                    guest.must(f"modprobe -d {modules} {module}")
        self._device = guest.must("ls /sys/bus/virtio/devices").split()[0]

    def offered(self) -> set:
        """Returns the feature bits that the device offers."""
        text = self._guest.read(f"/sys/kernel/debug/virtio/{self._device}/device_features")
        return {int(line) for line in text.split()}

    def _bind(self, stack) -> str:
        """Gives the disk to a stack's driver; returns the disk's name."""
        device = f"/sys/bus/virtio/devices/{self._device}"
        self._guest.must(f"if [ -e {device}/driver ]; then "
                         f"echo {self._device} >{device}/driver/unbind; fi && "
                         f"echo {self._device} >/sys/bus/virtio/drivers/{stack.blk}/bind")
        disk = self._guest.must("i=0; until ls /sys/block | grep vd; do i=$((i + 1)); "
                                "[ $i -lt 100 ] || exit 1; sleep 0.1; done")
        self.features = self._guest.must(f"cat {device}/features").strip()
        return disk.split()[0]

    def measure(self, stack, workload, jobs: int, seconds: float) -> Sample:
        """Measures a workload on a stack, with so many processes, for at least so long."""
        disk = self._bind(stack)
        command = workload.command(disk, jobs)
        self._begin(disk, command)
        before = self._count(disk)
        time.sleep(seconds)
        after = self._count(disk)
        self._end()
        operations = after[0] - before[0]
        if not operations:
            raise Failure(f"{workload.name} came to a stop on {stack.label}")
        sample = Sample(fio.parse(self._guest.read(fio.REPORT)),
                        *[(b - a) / operations for a, b in zip(before[1:], after[1:])])
        if self.profile and workload.profile:
            # In a run of its own: samples take time themselves.
            self._begin(disk, command)
            self.profile.record(seconds)
            self._end()
            sample.profile = self.profile.recorded()
        return sample

    def _begin(self, disk: str, command: str) -> None:
        """Starts fio and waits until it is in its stride."""
        guest = self._guest
        idle = self._count(disk)[0]
        guest.must(f"rm -f {_STATUS} {fio.REPORT}; {{ {command} & echo $! >{_PID}; wait $!; "
                   f"echo $? >{_STATUS}; }} >{_LOG} 2>&1 &")
        end = time.monotonic() + _START
        while self._count(disk)[0] < idle + _FIRST:
            if time.monotonic() > end or guest.read(_STATUS):
                raise Failure(f"fio did not start: {guest.read(_LOG)}")
            time.sleep(0.02)
        time.sleep(_WARM)

    def _end(self) -> None:
        """Ends fio and waits for its report; fails if it ended before."""
        guest = self._guest
        early = guest.read(_STATUS)
        guest.must(f"kill $(cat {_PID}); until [ -s {_STATUS} ]; do sleep 0.05; done")
        if early or guest.read(_STATUS) != str(fio.STOPPED):
            raise Failure(f"fio ended by itself (status {guest.read(_STATUS)}): {guest.read(_LOG)}")

    def _count(self, disk: str) -> tuple:
        """Returns requests since the driver took the disk, and since the guest started: processor
        time, interrupts and write system calls of its kernel."""
        requests = completed(self._guest.read(f"/sys/block/{disk}/stat"))
        irqs = interrupts(self._guest.read("/proc/interrupts"))
        return requests, self._guest.time(), irqs, self._guest.writes()


def completed(text: str) -> int:
    """Returns the reads and writes completed, from the text of a disk's stat."""
    fields = text.split()
    return int(fields[0]) + int(fields[4])


def interrupts(text: str) -> int:
    """Returns the sum of a virtio device's interrupts in the text of /proc/interrupts."""
    total = 0
    for line in text.splitlines():
        if "virtio" in line:
            for field in line.split()[1:]:
                if not field.isdigit():
                    break
                total += int(field)
    return total
