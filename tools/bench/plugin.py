# SPDX-License-Identifier: GPL-2.0
"""The QEMU plugin of tools/bench/plugin and the guest programs of tools/bench/guest: built, and their output read.

The plugin counts executions of each block of kernel code between two marks, which programs in the
guest set by executing a certain long nop. See tools/bench/plugin/src/lib.rs for what it writes.
"""

import dataclasses
import re
from pathlib import Path

from harness import lock
from harness.guest.qemu import binary
from harness.host import toolchain
from harness.paths import OUT, REPO, log_dir
from harness.proc import output, run
from harness.say import Failure

SOURCE = REPO / "tools" / "bench" / "plugin"
GUEST = REPO / "tools" / "bench" / "guest"

#: The accelerator of counting guests: a plugin sees nothing under KVM.
ACCEL = "tcg,thread=multi"


def check() -> None:
    """Checks that QEMU can load plugins. Raises `Failure` if it was built without them."""
    if not re.search(r"^-plugin\b", output([binary(), "--help"]), re.MULTILINE):
        raise Failure(f"{binary()} was built without support for plugins: no instructions can be "
                      "counted")


def build() -> Path:
    """Builds the plugin if its sources changed, and returns it."""
    check()
    target = OUT / "bench" / "plugin"
    log = log_dir() / "bench-plugin.log"
    with lock.only_one(target):
        # The kernel's rustc, which is there in any case: the first one in PATH may be too old.
        found, reason = toolchain.rustc()
        if not found:
            raise Failure(f"the plugin cannot be built: {reason}")
        if not output(["cargo", "--version"]):
            raise Failure("the plugin cannot be built: cargo is not installed")
        log.unlink(missing_ok=True)
        run(["cargo", "build", "--release", "--locked", "--offline", "--target-dir", target,
             "--manifest-path", SOURCE / "Cargo.toml"], log, "build of the QEMU plugin",
            env={"RUSTC": found})
    return target / "release" / "libbench_plugin.so"


def programs() -> dict:
    """Builds the guest programs if their sources changed; returns name -> path.

    They are linked statically, so that they run in any guest.
    """
    target = OUT / "bench" / "guest"
    found = {}
    with lock.only_one(target):
        target.mkdir(parents=True, exist_ok=True)
        newest = max(path.stat().st_mtime for path in GUEST.glob("*.[ch]"))
        for source in sorted(GUEST.glob("*.c")):
            program = target / source.stem
            if not program.exists() or program.stat().st_mtime < newest:
                run(["cc", "-std=gnu11", "-O2", "-Wall", "-static", "-o", program, source],
                    log_dir() / "bench-guest.log", f"build of tools/bench/guest/{source.name}")
            found[source.stem] = program
    return found


def arguments(library: Path, out: str = "@RUN@/plugin.out", exits: bool = False, lines: str = "") -> list:
    """Returns the QEMU arguments that load the plugin; `out` is the file it writes. `lines` is the address from which
    on the code of the kernel has the cache lines noted that it touches."""
    return ["-plugin", f"file={library},out={out},exits={'on' if exits else 'off'}{lines and f',lines={lines}'}"]


@dataclasses.dataclass
class Phase:
    """The code that was executed between the two marks of a phase."""

    #: Instructions outside of the kernel.
    user: int = 0
    #: Kernel instructions that could not be attributed.
    lost: int = 0
    #: (address, instructions) -> executions of a block.
    blocks: dict = dataclasses.field(default_factory=dict)
    #: (name, address) -> executions of an instruction that leaves the guest.
    exits: dict = dataclasses.field(default_factory=dict)
    #: ("r" or "w", region, address of the instruction) -> accesses to the memory of a device.
    mmio: dict = dataclasses.field(default_factory=dict)
    #: For each operation, for each cache line: (address of a block, "r", "w" or "rw"), in the order of the first touch.
    operations: list = dataclasses.field(default_factory=list)

    def entries(self, addresses) -> int:
        """Returns how often the functions at these addresses were entered."""
        return sum(count for (start, _), count in self.blocks.items() if start in addresses)


def read(path: Path) -> dict:
    """Reads what the plugin wrote: number of the phase -> `Phase`. A phase cut short is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    phases, pending = {}, []
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "phase":
            pending = []
        elif kind == "end":
            phases[int(rest)] = _phase(pending)
        else:
            pending.append((kind, rest))
    return phases


def _phase(lines: list) -> Phase:
    """Reads the lines of one phase."""
    phase = Phase()
    for kind, rest in lines:
        if kind == "b":
            start, size, count = rest.split()
            phase.blocks[int(start, 16), int(size)] = int(count)
        elif kind == "x":
            name, start, count = rest.split()
            phase.exits[name, int(start, 16)] = int(count)
        elif kind == "m":
            way, start, count, region = rest.split(" ", 3)
            phase.mmio[way, region, int(start, 16)] = int(count)
        elif kind == "op":
            phase.operations.append([])
        elif kind == "l":
            words = rest.split()
            phase.operations[-1].append([(int(block, 16), done) for block, done in zip(words[::2], words[1::2])])
        elif kind in ("user", "lost"):
            setattr(phase, kind, int(rest))
    return phase
