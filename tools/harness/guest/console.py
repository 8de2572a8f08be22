# SPDX-License-Identifier: GPL-2.0
"""Reads a guest's console log: what went wrong in the kernel, and during which step."""

import re
from pathlib import Path

#: Lines that no healthy kernel prints: a driver's faults, then what the checkers of a debug kernel
#: find, then (tools/guest/checkers.sh) what they were asked for.
_SPLAT = re.compile(
    r"\[ cut here \]|\bBUG: |\bBUG \S+ \(|\bOops: |Kernel panic|general protection fault"
    r"|INFO: task .* blocked for more|rcu: INFO: .* stall|detected stall|soft lockup|hard LOCKUP"
    r"|rust_kernel: panicked|Unable to mount root|NETDEV WATCHDOG|unable to handle page fault"
    r"|refcount_t: |list_(add|del) corruption|workqueue lockup|slab .*: Objects remaining"
    r"|irq \d+: nobody cared|unregister_netdevice: waiting for|cannot create duplicate filename"
    r"|\bKASAN: |\bUBSAN: |\bDEBUG_LOCKS_WARN_ON|trying to register non-static key"
    r"|turning off the locking correctness validator"
    r"|WARNING: (possible|bad (unlock|contention)|inconsistent|suspicious|held lock|lock held|Nested"
    r" lock|\S+-safe -> |.* still has locks held)"
    r"|DMA-API: (?!preallocated |debugging (enabled|disabled on)|dma_debug_entry pool)"
    r"|kmemleak: \d+ new suspected|harness: complaint: ")
_FATAL = re.compile(r"Kernel panic|---\[ end Kernel panic")
_STUCK = re.compile(r"INFO: task .* blocked for more|soft lockup|hard LOCKUP|rcu: INFO: .* stall")
_TIME = re.compile(r"^\[ *\d+\.\d+\] ?")
_MARK = re.compile(r"harness: (begin|end) (\S+)")


class Console:
    """The console log of one guest, read as it grows."""

    def __init__(self, path: Path):
        self.path = path
        self.lines = []
        self._rest = b""
        self._pos = 0

    def poll(self) -> bool:
        """Reads what is new; returns whether there was anything."""
        try:
            with open(self.path, "rb") as text:
                text.seek(self._pos)
                new = text.read()
        except OSError:
            return False
        self._pos += len(new)
        *full, self._rest = (self._rest + new).split(b"\n")
        self.lines += [line.decode(errors="replace").rstrip("\r") for line in full]
        return bool(new)

    def panicked(self) -> bool:
        """Returns whether the kernel has given up."""
        return any(_FATAL.search(line) for line in self.lines[-200:])

    def stuck(self) -> str:
        """Returns the first line that says that a task or a processor makes no progress."""
        return next((line for line in self.lines if _STUCK.search(line)), "")

    def messages(self) -> list:
        """Returns the lines without the time in front."""
        return [_TIME.sub("", line) for line in self.lines]

    def splats(self, allow=()) -> list:
        """Returns `(step, excerpt)` for each place where the kernel complained.

        The step is the one running at that time, or "boot". Lines matching a regular expression of
        `allow` are expected. Complaints less than 40 lines apart are one.
        """
        found, step, last = [], "boot", -1000
        for index, line in enumerate(self.lines):
            mark = _MARK.search(line)
            if mark:
                step = mark.group(2) if mark.group(1) == "begin" else f"after-{mark.group(2)}"
            if not _SPLAT.search(line):
                continue
            window = self.lines[index:index + 3]
            if any(re.search(pattern, text) for pattern in allow for text in window):
                continue
            if index - last > 40:
                found.append((step, "\n".join(self.lines[max(0, index - 3):index + 37])))
                last = index
        return found

    def excerpt(self, step: str, limit: int = 60) -> str:
        """Returns the last lines printed while `step` ran."""
        taken, on = [], False
        for line in self.lines:
            mark = _MARK.search(line)
            if mark and mark.group(2) == step:
                on = mark.group(1) == "begin"
                continue
            if on:
                taken.append(line)
        return "\n".join(taken[-limit:])

    def last(self, limit: int = 40) -> str:
        """Returns the last lines of the log."""
        return "\n".join(self.lines[-limit:])
