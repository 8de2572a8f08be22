# SPDX-License-Identifier: GPL-2.0
"""The classic table: an emulated card beside virtio, in the same guest.

A TCP stream each way through an e1000 and through a virtio NIC that goes from driver to driver: data in
a second, interrupts and exits. Where KVM does not count the exits, another guest with the QEMU plugin
moves a fixed amount of data and counts them.
"""

import dataclasses
import os
import shutil
import statistics
from pathlib import Path

from .. import accel
from ..say import Failure
from ..spec import Nic
from . import exits, plugin, ratio
from .cells import Cell
from .pairs import baseline, fill, otherwise_busy, rerun
from .rounds import Plan, Rounds, Task

TITLE = "The classic table: e1000, C and Rust virtio-net"
WAYS = ("out", "in")
#: Megabytes that are moved while exits are counted, and how often.
_AMOUNT, _COUNTS = 8, ratio.ROUNDS
_DEBUGFS = Path("/sys/kernel/debug/kvm")
#: Cells that come of the stream: field of the sample, metric, unit, options.
_RATES = (("mbit_s", "throughput", "Mbit/s", {}),
          ("irqs_s", "irqs", "interrupts/s", {"per": "second"}),
          ("irqs_mb", "irqs", "interrupts/MB", {"per": "MB"}),
          ("exits_s", "exits", "exits/s", {"per": "second"}),
          ("exits_mb", "exits", "exits/MB", {"per": "MB"}))


def run(bench) -> None:
    """Measures streams and interrupts, then exits."""
    if not shutil.which("iperf3"):
        bench.report.skip("classic", "iperf3 is not installed on the host (make setup)")
        return
    bench = dataclasses.replace(bench, stacks=[_card(bench.stacks[0]), *bench.stacks])
    busy = otherwise_busy()
    streams = _streams(bench, busy)
    if _any(bench, streams, "exits_mb"):
        return
    try:
        _counts(bench, streams, busy)
    except Failure as failure:
        bench.report.skip("classic: exits", str(failure))


def _card(first):
    """Returns the emulated card as a stack, in the guest of the first one."""
    return dataclasses.replace(first, driver="e1000", label="e1000", modules=["e1000"], blk="",
                               net="e1000")


def _streams(bench, busy: str) -> Rounds:
    plan = Plan(
        "classic", [Task(f"stream-{way}", _command(way, "stream", 2)) for way in WAYS],
        ratio.ROUNDS if bench.quick else ratio.MANY, _guest(), ["classic.sh", "throughput-net.sh"],
        prepare="sh /run/rvt/job/throughput-net.sh serve", host=[_offer_exits])
    rounds = Rounds(bench, plan)
    plan.finished = lambda name: _add(bench, rounds, name.removeprefix("stream-"), busy)
    rounds.run()
    return rounds


def _counts(bench, streams, busy: str) -> None:
    """Moves data again, with the plugin."""
    plugin.build()

    def ended(rounds, rundir) -> None:
        for number, found in exits.read(rundir, bench.kdir).items():
            rounds.sample(rounds.entry(number - 1), {"total": found.total, "kinds": found.kinds})

    rounds = Rounds(bench, Plan(
        "classic-exits", [Task(f"count-{way}", _command(way, "count", _AMOUNT)) for way in WAYS],
        _COUNTS, _guest(), ["classic.sh", "throughput-net.sh"],
        prepare="sh /run/rvt/job/throughput-net.sh serve", files=exits.files(),
        spec=exits.prepare, ended=ended))
    rounds.run()
    for way in WAYS:
        _add_counts(bench, streams, rounds, way, busy)


def _guest() -> dict:
    return {"vcpus": 1, "net": [Nic(dhcp=False), Nic(model="e1000", dhcp=False)]}


def _command(way: str, what: str, amount: int):
    return lambda stack: f"sh /run/rvt/job/classic.sh {stack.net} {way} {what} {amount}"


def _offer_exits(guest) -> None:
    """Lets the guest ask how many exits KVM has counted for it."""
    guest.actions["exits"] = lambda _: kvm_exits(guest.rundir)


def kvm_exits(rundir: Path, top: Path = _DEBUGFS) -> str:
    """Returns the exits of the QEMU that runs in `rundir`, "" if KVM does not tell."""
    for counter in sorted(top.glob("*-*/exits")):
        pid = counter.parent.name.partition("-")[0]
        try:
            if os.readlink(f"/proc/{pid}/cwd") == str(rundir):
                return counter.read_text().strip()
        except OSError:
            continue
    return ""


def _any(bench, rounds, field: str) -> bool:
    return any(value is not None for stack in bench.stacks for way in WAYS
               for value in rounds.samples(f"stream-{way}", stack.name, field))


def _cell(bench, stack, way: str, metric: str, unit: str, options: dict, note: str) -> Cell:
    virtio = stack.driver != "e1000"
    return Cell(f"classic-tcp-stream-{way}", "virtio-net-pci" if virtio else "e1000", stack.driver,
                stack.ring if virtio else "", "split" if virtio else "", accel.chosen(), metric,
                unit=unit, command=rerun(bench, "classic"), options={"vcpus": 1, **options},
                note=note)


def _add(bench, rounds, way: str, busy: str) -> None:
    """Adds what was measured with the streams."""
    base, task = baseline(bench.stacks), f"stream-{way}"
    for field, metric, unit, options in _RATES:
        if metric == "exits" and not _any(bench, rounds, field):
            continue
        card = statistics.median([v for v in rounds.samples(task, bench.stacks[0].name, field)
                                  if v is not None] or [0])
        for stack in bench.stacks:
            note = "Exits as KVM counts them in debugfs." if metric == "exits" else \
                "Back end: TAP, without vhost." if metric == "throughput" else ""
            cell = _cell(bench, stack, way, metric, unit, options, note + busy)
            against = rounds.samples(task, base, field) if base and stack.name != base else None
            fill(cell, rounds.samples(task, stack.name, field), against, metric == "throughput")
            if cell.value and card and stack is not bench.stacks[0]:
                cell.note = f"{cell.value / card:.2f} of the e1000's. {cell.note}".strip()
            bench.report.add(cell)


def _add_counts(bench, streams, counted, way: str, busy: str) -> None:
    """Adds the exits: counted for an amount of data, and from that and the stream in a second."""
    found = {stack.name: [total / mb if total is not None and mb else None for total, mb in
                          zip(counted.samples(f"count-{way}", stack.name, "total"),
                              counted.samples(f"count-{way}", stack.name, "mb"))]
             for stack in bench.stacks}
    base = baseline(bench.stacks)
    for stack in bench.stacks:
        against = found[base] if base and stack.name != base else None
        cell = _cell(bench, stack, way, "exits", "exits/MB", {"per": "MB"},
                     f"Counted in an emulated guest over {_AMOUNT} MB: accesses to devices, port I/O, "
                     "halts, timers.")
        fill(cell, found[stack.name], against, more_is_better=False)
        cell.parts = _parts(counted, way, stack.name)
        bench.report.add(cell)
        rates = [rate / 8 for rate in streams.samples(f"stream-{way}", stack.name, "mbit_s")
                 if rate is not None]
        second = _cell(bench, stack, way, "exits", "exits/s", {"per": "second"},
                       "Exits per MB, counted in an emulated guest with the plugin, times the MB/s of "
                       f"the guest without it.{busy}")
        if cell.value is not None and rates:
            fill(second, [cell.value * rate for rate in rates])
        bench.report.add(second)


def _parts(counted, way: str, stack: str) -> list:
    """Returns the kinds of exits per MB, from the rounds together."""
    kinds = [k for k in counted.samples(f"count-{way}", stack, "kinds") if k]
    moved = sum(mb or 0 for mb in counted.samples(f"count-{way}", stack, "mb"))
    return [{"layer": "kernel", "module": kind, "function": "",
             "value": sum(k.get(kind, 0) for k in kinds) / moved}
            for kind in exits.KINDS if moved and any(k.get(kind) for k in kinds)]
