# SPDX-License-Identifier: GPL-2.0
"""Where the processor time of a User-mode Linux guest goes, by perf's samples of its process.

A sample is an address: of a function of the guest's kernel or its modules, of the C library below
it, or of the host's kernel that both ask for things.
"""

import collections
import os
import shutil
import subprocess
from pathlib import Path

from bench.symbols import Symbols, demangle

from ..host.toolchain import find as toolchain
from ..proc import output
from ..say import Failure
from .uml import measured_child

#: Samples per second. More of them disturb what they look at.
_RATE = 20000

#: Addresses from here on are the host's kernel.
_HOST = 1 << 63
#: The guest's kernel and modules are below; above are libraries.
_LIBRARIES = 1 << 40


def available(scratch: Path) -> str:
    """Returns "" if processes can be sampled, in their system calls too, or why not."""
    if not shutil.which("perf"):
        return "perf is not installed (Debian: package linux-perf)"
    paranoid = int(Path("/proc/sys/kernel/perf_event_paranoid").read_text())
    if os.geteuid() and paranoid > 1:
        return f"perf may not look into the host's kernel: kernel.perf_event_paranoid is {paranoid}"
    done = subprocess.run(["perf", "record", "-q", "-e", "cpu-clock", "-o", scratch / "perf.try",
                           "true"], capture_output=True, text=True, check=False)
    (scratch / "perf.try").unlink(missing_ok=True)
    text = done.stderr.strip().splitlines()
    return f"perf cannot sample: {text[0] if text else done.returncode}" if done.returncode else ""


def _module_of(kdir: Path) -> dict:
    """Returns function -> module for the virtio modules that are built into the kernel."""
    suffix = toolchain().llvm
    nm = f"llvm-nm{suffix if suffix.startswith('-') else ''}"
    found = {}
    for line in (kdir / "modules.builtin").read_text().split():
        if "virtio" not in line:
            continue
        part = kdir / line.removeprefix("kernel/").replace(".ko", ".o")
        for symbol in output([nm, "--defined-only", part]).splitlines():
            kind, name = symbol.split()[-2:]
            if kind in "tT":
                found[name] = part.stem
    return found


class Profile:
    """Takes samples of a guest."""

    def __init__(self, pid: int, kdir: Path, kallsyms: str, scratch: Path):
        self._pid = pid
        self._data = scratch / "perf.data"
        self._symbols = Symbols(kallsyms)
        self._builtin = _module_of(kdir)

    def record(self, seconds: float) -> None:
        """Takes samples for so long."""
        done = subprocess.run(["perf", "record", "-q", "-B", "-N", "-e", "cpu-clock", "-F",
                               str(_RATE), "-o", self._data, "-p", str(self._pid), "--", "sleep",
                               str(seconds)], capture_output=True, text=True,
                              check=False, preexec_fn=measured_child)
        if done.returncode:
            raise Failure(f"perf failed: {done.stderr.strip()}")

    def recorded(self) -> collections.Counter:
        """Returns (module, function) -> samples of the last `record()`.

        Modules that are none of the guest's are "libraries" and "host kernel".
        """
        text = output(["perf", "script", "-i", self._data, "-F", "ip"])
        self._data.unlink(missing_ok=True)
        if not text:
            raise Failure("perf took no sample")
        return count((int(line, 16) for line in text.split()), self._symbols, self._builtin)


def count(addresses, symbols: Symbols, builtin: dict) -> collections.Counter:
    """Returns (module, function) -> how many of the addresses are in it."""
    found = collections.Counter()
    for address in addresses:
        if address >= _HOST:
            found["host kernel", ""] += 1
        elif address >= _LIBRARIES:
            found["libraries", ""] += 1
        else:
            module, function = symbols.find(address)
            found[builtin.get(function, module) if module == "vmlinux" else module, function] += 1
    return found


def parts(samples: collections.Counter, layer, total: float) -> list:
    """Returns how a figure of `total` is made up: driver, ring and transport by function, all else
    by module. `layer` maps modules to layers."""
    whole = sum(samples.values())
    by = collections.Counter()
    for (module, function), times in samples.items():
        where = layer(module)
        by[where, module, "" if where == "kernel" else function] += times
    names = demangle({function for _, _, function in by if function})
    return [{"layer": where, "module": module, "function": names.get(function, function),
             "value": total * times / whole}
            for (where, module, function), times in by.most_common()]


def share(samples: collections.Counter, layer) -> float:
    """Returns the share of driver, ring and transport in the samples."""
    ours = sum(times for (module, _), times in samples.items() if layer(module) != "kernel")
    return ours / sum(samples.values())
