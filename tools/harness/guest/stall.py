# SPDX-License-Identifier: GPL-2.0
"""Tells a guest that software emulation let down from one that a driver did.

Under TCG an emulated processor now and then misses the timer it sleeps for: the kernel then finds a
processor that is idle and yet has not answered, and says itself that this may be no stall ("false
positive?"), or the guest stops while it boots, before a driver is loaded. Or one processor runs while
another maps a device anew, and QEMU trips over its own tables. Such a guest is run again, once, with all
its processors in one thread, and the results say so. Anything else, and the same in one thread, counts.
"""

import dataclasses
import re

from ..report.results import Results
from ..report.tap import Test
from ..say import warn
from . import accel

#: QEMU's value for -accel with which nothing of this can happen; it is slower.
SINGLE = "tcg,thread=single"

_IDLE_STALL = re.compile(r"rcu: .*idle=\S+/0/0x0 .*\(false positive\?\)")

_TABLES = re.compile(r"iotlb_to_section: Assertion .*")


def reason(outcome) -> str:
    """Returns what the emulation did to a guest, "" if nothing or if it cannot be told."""
    if not (outcome.error or outcome.splats) or accel.chosen() != "tcg":
        return ""
    text = _read(outcome.rundir / "console.log")
    if outcome.error.startswith("did not boot") and "rust_virt" not in text:
        return outcome.error
    found = _IDLE_STALL.search(text) or _TABLES.search(_read(outcome.rundir / "qemu.log"))
    return found.group(0).strip() if found else ""


def _read(log) -> str:
    return log.read_text(errors="replace") if log.exists() else ""


def run(results: Results, name: str, wanted, boot, allowed=lambda _outcome: True) -> tuple:
    """Runs a guest by `boot(wanted)`, which returns the outcome; and again, with a note in the results, if the
    emulation let it down, not all its processors were in one thread, and `allowed(outcome)`. Returns the last
    outcome, and the description of its guest."""
    outcome = boot(wanted)
    why = "" if wanted.accel == SINGLE else reason(outcome)
    if not why or not allowed(outcome):
        return outcome, wanted
    warn(f"an emulated processor missed its timer, running {name} again: {why}")
    results.add([Test("harness", f"{name} run again", "skip",
                      f"the emulation let it down: {why}; log: {outcome.rundir}/console.log")])
    single = dataclasses.replace(wanted, accel=SINGLE)
    return boot(single), single
