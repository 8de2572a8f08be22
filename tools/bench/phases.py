# SPDX-License-Identifier: GPL-2.0
"""Guests in which devices are given to drivers one by one, and worked in phases that are counted.

One guest has a device for each variant, none of them taken at boot, and no root disk: nothing but the
work goes through a virtio device. For each item of a plan the guest (tools/bench/guest/phases.sh) gives a
device to a driver, does the work in phases of exact length between two marks of the QEMU plugin, and
takes the device away again.

What makes the counts repeat to the instruction:

* Disks have the null-co back end, which keeps nothing and answers after a set time, so that the guest is
  asleep when the answer comes.
* NICs are on QEMU's user network, whose gateway answers in the same turn of QEMU's main loop that
  took the packet, and wait before they send (tx=timer). By then the guest is asleep until the turn is
  over, so what has come back is all there when it looks. With a TAP device and no delay the guest's
  own work and the host's overlap by chance, and the number of interrupts with it.
* Received datagrams are sent by an e1000 on the same wire, whose register write does not return before
  the frame is in the receive queue.
* The work and the interrupts of a NIC stay on processor 0.

Only driver and ring repeat like that. The whole guest also counts timer ticks and how long ago the
scheduler last looked, which go by the clock.
"""

import atexit
import dataclasses
import functools
import shutil
import tempfile
from pathlib import Path

from harness.guest.guest import Guest
from harness.guest.spec import Disk, Nic, Spec
from harness.say import Failure, Progress, say

from . import plugin, stacks, symbols
from .variants import Device, Work

#: Operations before the first phase, which fill caches and find routes. They are two laps of QEMU's rings: a ring in
#: order uses its ids by turns, and each id gets its indirect table when it is used for the first time.
WARM_UP = 512
#: Functions are numbered from here on the root bus, eight to a slot.
_FIRST_SLOT = 4
_LAST_SLOT = 28
#: The slot of the e1000.
_FEED_SLOT = 30


#: Driver and device did not agree on what was to be measured; the guest ended before; anything else.
REFUSED, UNREACHED, FAILED = "refused", "unreached", "failed"


@dataclasses.dataclass
class Item:
    """One device on one stack doing one work, and what came of it."""

    stack: object
    device: Device
    work: Work
    #: Operations of each phase.
    counts: list
    #: Of each phase, in the order of `counts`: `plugin.Phase`, interrupts.
    phases: list = dataclasses.field(default_factory=list)
    irqs: list = dataclasses.field(default_factory=list)
    features: str = ""
    #: Why there are no results: REFUSED, UNREACHED or FAILED, and in words.
    state: str = ""
    failure: str = ""

    def fail(self, state: str, why: str) -> None:
        """Notes why there are no results; the first reason stays."""
        if not self.state:
            self.state, self.failure = state, why

    def whole(self) -> bool:
        """Returns whether every phase was counted."""
        return not self.state and len(self.phases) == len(self.counts)


class Boot:
    """One guest and its plan."""

    #: Programs that are loaded besides the drivers, before them.
    modules = ()
    #: NICs that are on one wire, by their numbers.
    wires = ""

    def __init__(self, bench, name: str, items: list, vcpus: int = 1, lines: str = ""):
        """`lines` is the address of the code whose cache lines are of interest, "" for none."""
        self.bench = bench
        self.name = name
        self.items = items
        self.vcpus = vcpus
        self.lines = lines
        self.devices = sorted({item.device for item in items},
                              key=lambda d: (d.kind, d.fed, d.delay, repr(d.variant), d.card))
        self.symbols = None
        self._progress = None
        #: Lines of /proc/kallsyms, for programs that the kernel compiled.
        self._compiled = set()
        #: The directory with the logs.
        self.rundir = None

    def run(self) -> None:
        """Boots, carries out the plan, and fills the items. Raises `Failure` if nothing could be measured at all. Items
        that were not reached say so."""
        library, programs = plugin.build(), plugin.programs()
        guest = Guest(self._spec(library), self.bench.kdir, _kept(tuple(self.bench.ours)),
                      f"bench-{self.name}")
        guest.prepare += self._helpers()
        self.rundir = guest.rundir
        say(f"  {len(self.items)} measurements in one guest ({self.name}, "
            f"{self.vcpus} vCPU); logs: {guest.rundir}")
        pieces, irqs = [], {}
        self._progress = Progress(self.name)
        job = {"plan": self._plan().encode(),
               "phases.sh": (plugin.GUEST / "phases.sh").read_bytes()}
        script = "sh /run/harness/job/phases.sh"
        # A step ends when its output is through: nothing is being printed while phases are counted.
        steps = [("prepare", f"{script} prepare"), ("phases", f"{script} carry-out")]
        outcome = guest.run(steps, job=job, files=programs,
                            env={"HARNESS_DRIVERS": " ".join(self._drivers()), "HARNESS_WIRES": self.wires,
                                 "HARNESS_ALL_SYMBOLS": "" if symbols.system_map(self.bench.kdir) else 1},
                            on_line=lambda _step, text: self._line(text, pieces, irqs))
        self._progress.end()
        found = plugin.read(guest.rundir / "plugin.out")
        (guest.rundir / "plugin.out").unlink(missing_ok=True)
        for index, item in enumerate(self.items):
            self._fill(index, item, found, irqs, outcome)
        try:
            self.symbols = symbols.unpack(pieces, self.bench.kdir, stacks.layers(), self._compiled)
        except (Failure, OSError) as error:
            outcome.error = outcome.error or str(error)
        for step, text in outcome.splats:
            self.bench.report.problem(f"{self.name}: the kernel complained during {step}", text)
        if outcome.error:
            raise Failure(f"the guest did not come to its end: {outcome.error}. "
                          f"Logs: {guest.rundir}")

    def _drivers(self) -> list:
        """Returns the modules to load, those of the first stack first."""
        feed = [*self.modules, *(["e1000"] if any(device.fed for device in self.devices) else [])]
        stacks = {item.stack.name: item.stack for item in self.items}.values()
        return list(dict.fromkeys([*feed, *(m for stack in stacks for m in stack.modules)]))

    def _helpers(self) -> list:
        """Returns what is called with the guest before it starts."""
        return []

    def _spec(self, library) -> Spec:
        """Describes the guest."""
        spec = self._bare(library)
        for index, device in enumerate(self.devices):
            props = {**device.variant.props(), **self._place(index)}
            if device.kind == "blk":
                node = {"driver": "null-co", "read-zeroes": "on", "latency-ns": device.delay}
                spec.blk.append(Disk(size="64G", props=props, port=False, node=node))
                continue
            wire = f"hubport,hubid={index}" if device.fed else "user,restrict=on,ipv6=off"
            if device.fed:
                spec.qemu += ["-netdev", f"hubport,id=feed,hubid={index}", "-device",
                              f"e1000,netdev=feed,bus=pcie.0,addr={_FEED_SLOT:#x}"]
            timer = {"tx": "timer", "x-txtimer": device.delay} if device.delay else {}
            spec.net.append(Nic(netdev=wire, port=False,
                                props={**props, **timer}))
        return spec

    def _bare(self, library) -> Spec:
        """Describes the guest without its devices."""
        return Spec(family="none", root="initramfs", vcpus=self.vcpus, spare_ports=0, cmdline="nokaslr",
                    accel=plugin.ACCEL, qemu=plugin.arguments(library, lines=self.lines),
                    ring=self.items[0].stack.ring)

    def _place(self, index: int) -> dict:
        return {"addr": self._address(index), "multifunction": "on"}

    def _address(self, index: int) -> str:
        """Returns the slot and function of a device, as QEMU and sysfs write them."""
        slot = _FIRST_SLOT + index // 8
        if slot > _LAST_SLOT:
            raise Failure(f"{len(self.devices)} devices do not fit into one guest")
        return f"{slot:02x}.{index % 8}"

    def _plan(self) -> str:
        """Writes the plan that phases.sh reads."""
        return "".join(f"{line}\n" for index, item in enumerate(self.items) for line in self._steps(index, item))

    def _steps(self, index: int, item: Item) -> list:
        """Returns the lines of an item."""
        work, stack = item.work, item.stack
        address = self._address(self.devices.index(item.device))
        warm = max(WARM_UP // work.many, 1) * work.many
        return [f"use {index} {address} {work.kind} {getattr(stack, work.kind)}",
                f"run {index} 0 {warm} {work.verb} {work.many}", *self._runs(index, item), f"leave {index}"]

    @staticmethod
    def _runs(index: int, item: Item) -> list:
        """Returns the lines of the phases of an item."""
        return [f"run {index} {_phase(index, number)} {count} {item.work.verb} {item.work.many}"
                for number, count in enumerate(item.counts)]

    def _line(self, text: str, pieces: list, irqs: dict) -> None:
        """Takes one line of the guest's output."""
        verb, _, rest = text.partition(" ")
        index, _, value = rest.partition(" ")
        if verb == "symbols":
            pieces.append(rest)
        elif verb == "bpf":
            self._compiled.add(rest)
        elif verb == "irqs":
            irqs[int(index)] = int(value)
        elif verb == "features" and index.isdigit():
            self.items[int(index)].features = value
            self._progress.update(f"{index} of {len(self.items)} measurements done")
        elif verb == "failed" and index.isdigit():
            self.items[int(index)].fail(FAILED, value)
        elif verb == "failed":
            self.bench.report.problem(self.name, value)

    def _fill(self, index: int, item: Item, found: dict, irqs: dict, outcome) -> None:
        """Puts what was counted into an item."""
        missing = item.device.variant.missing(item.features) if item.features else []
        if missing:
            item.fail(REFUSED, f"driver and device do not agree on {', '.join(missing)}")
        numbers = [_phase(index, number) for number in range(len(item.counts))]
        if not all(n in found and n in irqs for n in numbers):
            item.fail(UNREACHED, outcome.error or "the guest did not get to it")
            return
        item.phases = [found[number] for number in numbers]
        item.irqs = [irqs[number] for number in numbers]
        lost = max(phase.lost for phase in item.phases)
        if lost:
            item.fail(FAILED, f"{lost} instructions could not be attributed")


def _phase(index: int, number: int) -> int:
    """Returns the number of a phase; 0 is never one."""
    return 16 * index + number + 1


@functools.lru_cache
def _kept(ours: tuple) -> list:
    """Copies our modules, so that all boots have the same ones whatever is built meanwhile."""
    directory = tempfile.mkdtemp(prefix="harness-modules-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return [Path(shutil.copy(path, directory)) for path in ours]
