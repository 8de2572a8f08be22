# SPDX-License-Identifier: GPL-2.0
"""Counts what would make a guest leave to its hypervisor, without a hypervisor.

The guest is emulated, and the QEMU plugin counts the accesses to devices' memory, port I/O, halts and
the writes to model specific registers that a hypervisor has to see. Whether a certain processor with
a certain KVM leaves the guest for each of them is up to these; so a total is what was done, by kind,
and not what one machine would have shown. Interrupts that arrive are not among them: see
/proc/interrupts.

A guest is made one that counts by `prepare`, gets `files`, and its counts are read by `read`. A script in it
marks phases, by any numbers from 1 on that are used once:

	/run/harness/job/mark begin 7
	iperf3 ...
	/run/harness/job/mark end 7

Counting is dear: every access of the kernel to memory is looked at. Do a fixed amount of work in a phase
(iperf3 -n, not -t) and divide by it; the time it takes means nothing. Starting and ending the two
programs adds a few thousand instructions and no access to a device.
"""

import collections
from pathlib import Path

from harness.guest.spec import Spec
from harness.say import Failure

from . import plugin
from .symbols import Symbols, system_map

#: The output of the plugin, in the run directory.
_OUT = "exits.out"

#: Functions that acknowledge an interrupt, which processors do without an exit since about 2013.
_EOI = ("native_apic_mem_eoi", "native_apic_msr_eoi", "kvm_apic_eoi")
#: The memory of the local interrupt controller.
_APIC = "apic"
#: The kinds in a total:
#: * mmio: accesses to a device's memory; kicks are among them.
#: * apic: the interrupt controller, which is to say timers and calls of other processors.
#: * msr: written registers, timers mostly where the controller is one of them.
KINDS = ("mmio", "apic", "pio", "hlt", "msr", "hypercall", "cpuid")


def prepare(spec: Spec) -> Spec:
    """Makes a guest one whose exits are counted, and returns it. Raises `Failure` if QEMU cannot load plugins or the
    plugin cannot be built."""
    library = plugin.build()
    spec.accel = plugin.ACCEL
    spec.cmdline = f"{spec.cmdline} nokaslr".strip()
    spec.qemu = [*spec.qemu, *plugin.arguments(library, f"@RUN@/{_OUT}", exits=True)]
    return spec


def files() -> dict:
    """Returns what the guest needs in /run/harness/job: name -> path."""
    return {"mark": plugin.programs()["mark"]}


def read(rundir: Path, kdir: Path) -> dict:
    """Returns number of the phase -> (kind -> count), for the phases that came to their end.

    Besides `KINDS` there are eoi and rdmsr.
    """
    known = system_map(kdir)
    if not known:
        raise Failure("the kernel has no System.map; the part \"cost\" asks a guest for it")
    symbols = Symbols(known)
    return {number: _counts(phase, symbols) for number, phase in plugin.read(rundir / _OUT).items()}


def total(kinds: dict) -> int:
    """Returns the sum over `KINDS`."""
    return sum(kinds.get(kind, 0) for kind in KINDS)


def _counts(phase: plugin.Phase, symbols: Symbols) -> collections.Counter:
    counts = collections.Counter()
    for (_, region, address), count in phase.mmio.items():
        kind = "mmio" if not region.startswith(_APIC) else "eoi" if symbols.find(address)[1] in _EOI else "apic"
        counts[kind] += count
    for (name, address), count in phase.exits.items():
        kind = name if name != "wrmsr" else "eoi" if symbols.find(address)[1] in _EOI else "msr"
        counts[kind] += count
    return counts
