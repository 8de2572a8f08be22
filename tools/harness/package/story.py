# SPDX-License-Identifier: GPL-2.0
"""The chapters of the story that teststock.py tells: which boot comes after which, and what is done."""

import dataclasses
import fnmatch
import re

from ..report.tap import Test
from ..say import Failure
from . import broken

#: Guest selftests that the machine of the story has the devices for.
SELFTESTS = ["harness/disk", "blk/identity", "net/filter", "net/offload", "net/traffic-default"]

#: What a running system writes by itself; and what comes with the package, and goes to each initramfs
#: that is made while the package is there.
_VOLATILE = re.compile(r"/etc/(\.updated|machine-id|resolv\.conf|ld\.so\.cache|\.pwd\.lock)$"
                       r"|^initramfs (usr/lib/modprobe\.d/rust-virtio(-dkms)?|etc/modprobe\.d/dkms)\.conf$")


@dataclasses.dataclass
class Chapter:
    """One boot, and what is done in it."""

    name: str
    #: What is told, as a line of progress.
    text: str
    #: Scripts of tools/guest (stock-<name>.sh) with their arguments, in order.
    steps: list
    #: The chapter that left the disk; "" if the disk is a new one, `image`: "fresh" or "installed".
    after: str = ""
    image: str = ""
    #: On which drivers the machine is to be: "c" or "rust".
    family: str = "c"
    #: More of the kernel's command line.
    cmdline: str = ""
    #: Boot the oldest kernel of the disk, not the newest.
    oldest: bool = False
    #: A regular expression of kernel messages that may be errors here.
    expected: str = ""
    #: The selftests come before the step with this number; None for none.
    selftests_at: int = None
    #: Chapter -> kinds of lines ("etc", "initramfs") in which the inventories are the same.
    like: dict = dataclasses.field(default_factory=dict)
    #: Functions of the package, a directory and a log that make files for the guest.
    files: list = dataclasses.field(default_factory=list)


#: What the kernel and kmod say of modules that cannot be used.
_REFUSED = (r"rust_virtio_\w+: (version magic|disagrees|Unknown symbol)|Invalid (ELF|module)|module .* ELF"
            r"|decompression failed")

CHAPTERS = [
    Chapter("fresh", "A Debian without the package", ["state.sh c", "inventory.sh"],
            image="fresh"),
    Chapter("installed", "The package is installed; the drivers are enabled",
            ["state.sh c", "inventory.sh", "enable.sh"], image="installed",
            like={"fresh": ["initramfs"]}),
    Chapter("enabled", "Enabled; after the selftests the drivers are disabled",
            ["state.sh rust", "disable.sh"], after="installed", family="rust", selftests_at=1),
    Chapter("disabled", "Disabled; the drivers are enabled again, first on a full disk, and their modules spoilt",
            ["state.sh c", "inventory.sh", "full.sh", "enable.sh", "break.sh"], after="enabled",
            like={"installed": ["etc", "initramfs"]}),
    Chapter("broken", "Modules that cannot be loaded; then an upgrade whose build fails",
            ["state.sh c", "says.sh", "repair.sh", "upgrade.sh"], after="disabled",
            expected=_REFUSED, files=[broken.broken]),
    Chapter("failed-build", "Modules that were not built; then the package is purged",
            ["state.sh c", "says.sh", "purge.sh"], after="broken"),
    Chapter("purged", "The package is purged", ["state.sh c", "inventory.sh"],
            after="failed-build", like={"fresh": ["initramfs"]}),
    Chapter("lockdown", "Enabled, on a kernel that takes no key but its own",
            ["state.sh c", "says.sh"], after="installed", cmdline="lockdown=integrity"),
    Chapter("off", "Enabled, and switched off on the kernel's command line", ["state.sh c"],
            after="installed", cmdline="rust_virtio=off"),
    Chapter("old-kernel", "Enabled, with a kernel too old for the drivers; the other kernel is purged",
            ["state.sh c", "old.sh", "kernel-gone.sh"], after="off", oldest=True),
    Chapter("kernel-gone", "Enabled, without a kernel for it; then the package is purged",
            ["state.sh c", "purge.sh"], after="old-kernel"),
]


def selection(pattern: str) -> list:
    """Returns the chapters that match a pattern, with those that they come after. Raises `Failure` naming the chapters
    if none matches."""
    wanted = [part for part in re.split(r"[,\s]+", pattern) if part]
    names = {chapter.name for chapter in CHAPTERS
             if not wanted or any(fnmatch.fnmatch(chapter.name, part) for part in wanted)}
    if not names:
        raise Failure(f"no chapter matches \"{pattern}\"; there are: "
                      + ", ".join(chapter.name for chapter in CHAPTERS))
    known = {chapter.name: chapter for chapter in CHAPTERS}
    for name in list(names):
        while known[name].after:
            name = known[name].after
            names.add(name)
    return [chapter for chapter in CHAPTERS if chapter.name in names]


def compare(suite: str, other: str, kinds: list, before, now: list) -> Test:
    """Returns the test that two inventories are the same in some kinds of lines.

    `before` is None if the other chapter was not run.
    """
    name = f"the same as in \"{other}\": {' and '.join(kinds)}"
    if before is None:
        return Test(suite, name, "skip", f"\"{other}\" was not run")

    def chosen(lines: list) -> set:
        return {line for line in lines if line.partition(" ")[0] in kinds and not _VOLATILE.search(line)}

    gone, new = sorted(chosen(before) - chosen(now)), sorted(chosen(now) - chosen(before))
    if not chosen(before):
        return Test(suite, name, "fail", f"the inventory of \"{other}\" is empty")
    if not gone and not new:
        return Test(suite, name, "pass")
    return Test(suite, name, "fail", "\n".join([*(f"- {line}" for line in gone[:30]),
                                                *(f"+ {line}" for line in new[:30])]))
