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

from harness.guest.spec import Nic
from harness.say import Failure

from . import exits, plugin, ratio, samples
from .rounds import Plan, Rounds

TITLE = "The classic table: e1000, C and Rust virtio-net"
WAYS = ("out", "in")
#: Megabytes that are moved while exits are counted, and how often.
_AMOUNT, _COUNTS = 8, ratio.ROUNDS
_DEBUGFS = Path("/sys/kernel/debug/kvm")
#: Results that come of the stream: field of the sample, metric, unit.
_RATES = (("mbit_s", "throughput", "Mbit/s"), ("irqs_s", "irqs", "interrupts/s"), ("irqs_mb", "irqs", "interrupts/MB"),
          ("exits_s", "exits", "exits/s"), ("exits_mb", "exits", "exits/MB"))


def run(bench) -> None:
    """Measures streams and interrupts, then exits."""
    if not shutil.which("iperf3"):
        bench.report.skip("classic", "iperf3 is not installed on the host (make setup)")
        return
    bench = dataclasses.replace(bench, stacks=[_card(bench.stacks[0]), *bench.stacks])
    busy = samples.otherwise_busy()
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


def _plan(part: str, what: str, amount: int, rounds: int, **more) -> Plan:
    """Returns the plan to move an amount of data each way; `more` are other fields."""
    return Plan(part, {f"{what}-{way}": _command(way, what, amount) for way in WAYS}, rounds,
                {"vcpus": 1, "net": [Nic(dhcp=False), Nic(model="e1000", dhcp=False)]},
                ["classic.sh", "throughput-net.sh"], prepare="sh /run/harness/job/throughput-net.sh serve", **more)


def _command(way: str, what: str, amount: int):
    return lambda stack: f"sh /run/harness/job/classic.sh {stack.net} {way} {what} {amount}"


def _streams(bench, busy: str) -> Rounds:
    rounds = Rounds(bench, _plan(
        "classic", "stream", 2, ratio.ROUNDS if bench.quick else ratio.MANY, host=_offer_exits,
        finished=lambda rounds, name: _add(bench, rounds, name.removeprefix("stream-"), busy)))
    rounds.run()
    return rounds


def _counts(bench, streams, busy: str) -> None:
    """Moves data again, with the plugin."""
    plugin.build()

    def ended(rounds, rundir) -> None:
        for number, found in exits.read(rundir, bench.kdir).items():
            rounds.sample(rounds.entry(number - 1), {"total": exits.total(found), "kinds": found})

    rounds = Rounds(bench, _plan("classic-exits", "count", _AMOUNT, _COUNTS, files=exits.files(),
                                 spec=exits.prepare, ended=ended))
    rounds.run()
    for way in WAYS:
        _add_counts(bench, streams, rounds, way, busy)


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
    return any(samples.known(rounds.samples(f"stream-{way}", stack.name, field))
               for stack in bench.stacks for way in WAYS)


def _result(bench, stack, way: str, metric: str, unit: str, note: str):
    virtio = stack.driver != "e1000"
    per = {"per": "second" if unit.endswith("/s") else "MB"} if metric != "throughput" else {}
    return samples.result(bench, "classic", stack, f"classic-tcp-stream-{way}", metric, unit,
                        device="virtio-net-pci" if virtio else "e1000", ring=stack.ring if virtio else "",
                        layout="split" if virtio else "", note=note,
                        options={"vcpus": 1, **per})


def _add(bench, rounds, way: str, busy: str) -> None:
    """Adds what was measured with the streams."""
    for field, metric, unit in _RATES:
        if metric == "exits" and not _any(bench, rounds, field):
            continue
        found = rounds.by_stack(f"stream-{way}", field)
        card = statistics.median(samples.known(found[bench.stacks[0].name]) or [0])
        note = {"exits": "Exits as KVM counts them in debugfs.",
                "throughput": "Back end: TAP, without vhost."}.get(metric, "") + busy

        def make(stack, metric=metric, unit=unit, note=note, found=found, card=card):
            mine = samples.known(found[stack.name])
            beside = f"{statistics.median(mine) / card:.2f} of the e1000's. " \
                if mine and card and stack is not bench.stacks[0] else ""
            return _result(bench, stack, way, metric, unit, (beside + note).strip())

        samples.add(bench.report, bench.stacks, found, make, metric == "throughput")


def _add_counts(bench, streams, counted, way: str, busy: str) -> None:
    """Adds the exits: counted for an amount of data, and from that and the stream in a second."""
    totals, moved, rates = (rounds.by_stack(task, field) for rounds, task, field in (
        (counted, f"count-{way}", "total"), (counted, f"count-{way}", "mb"), (streams, f"stream-{way}", "mbit_s")))
    found = {name: [total / mb if total is not None and mb else None for total, mb in zip(totals[name], moved[name])]
             for name in totals}

    def make(stack):
        made = _result(bench, stack, way, "exits", "exits/MB", f"Counted in an emulated guest over {_AMOUNT} MB: "
                     "accesses to devices, port I/O, halts, timers.")
        made.breakdown = _breakdown(counted, way, stack.name)
        return made

    samples.add(bench.report, bench.stacks, found, make)
    for stack in bench.stacks:
        second = _result(bench, stack, way, "exits", "exits/s", "Exits per MB, counted in an emulated guest with the "
                       f"plugin, times the MB/s of the guest without it.{busy}")
        mine, speeds = samples.known(found[stack.name]), samples.known(rates[stack.name])
        if mine and speeds:
            samples.fill(second, [statistics.median(mine) * speed / 8 for speed in speeds])
        bench.report.add(second)


def _breakdown(counted, way: str, stack: str) -> list:
    """Returns the kinds of exits per MB, from the rounds together."""
    kinds = [k for k in counted.samples(f"count-{way}", stack, "kinds") if k]
    moved = sum(mb or 0 for mb in counted.samples(f"count-{way}", stack, "mb"))
    return [{"layer": "kernel", "module": kind, "function": "",
             "value": sum(k.get(kind, 0) for k in kinds) / moved}
            for kind in exits.KINDS if moved and any(k.get(kind) for k in kinds)]
