# SPDX-License-Identifier: GPL-2.0
"""`harness.py shell`: boots a guest to run one command line in it."""

import argparse
import dataclasses
from pathlib import Path

from ..build import kernel, modtree, modules
from ..say import say
from . import spec, transport
from .guest import Guest

#: The times longer that a guest may take which somebody debugs.
_FOR_EVER = 10000


def debugged(wanted: spec.Spec) -> None:
    """Has a guest let gdb in. By a socket with a name, as the guest has a network of its own; and with the kernel
    where vmlinux says that it is."""
    wanted.qemu = [*wanted.qemu, "-gdb", "unix:@SOCKETS@/gdb,server=on,wait=off"]
    wanted.cmdline = f"nokaslr {wanted.cmdline}".strip()


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--family", choices=["rust", "c", "none"], default="rust", help="which drivers the guest loads")
    modtree.option(parser, modtree.BOTH)
    transport.option(parser)
    parser.add_argument("--run", metavar="CMD", default="uname -a; lsmod; lsblk; ip -br addr",
                        help="what to run in the guest")
    parser.add_argument("--initramfs", action="store_true", help="busybox only, no root file system (boots faster)")
    parser.add_argument("--kdir", help="kernel build directory (default: KDIR, or the cached one)")
    parser.add_argument("--modules", metavar="DIR",
                        help="where our .ko files are (default: out/modules, or the tree itself)")
    parser.add_argument("--spec", metavar="JSON", default="{}",
                        help="guest description, e.g. '{\"blk\":[{\"size\":\"1G\"}],\"net\":[{}]}'")
    parser.add_argument("--without", action="append", default=[], metavar="MODULE",
                        help="leave a module of the family out")
    parser.add_argument("--load", action="append", default=[], metavar="MODULE",
                        help="load this module besides the family's")
    parser.add_argument("--file", action="append", default=[], metavar="PATH",
                        help="copy this file to /run/harness/job of the guest")
    parser.add_argument("--quiet", action="store_true", help="do not print the console log")
    parser.add_argument("--gdb", action="store_true",
                        help="let gdb in, and wait for the guest however long it stands still")
    parser.add_argument("--boot", action="store_true", help="print the console log from the start, not from /init on")


def main(args) -> int:
    """Runs the command line and prints its output and the console."""
    wanted = spec.parse(args.spec)
    wanted = dataclasses.replace(wanted, family=args.family, ring=args.ring or wanted.ring,
                                 layout=args.layout or wanted.layout)
    wanted.without = [*wanted.without, *args.without]
    wanted.modules = [*wanted.modules, *args.load]
    if args.initramfs:
        wanted.root = "initramfs"
    kdir = kernel.directory(wanted.kernel, args.kdir)
    if args.gdb:
        debugged(wanted)
    guest = Guest(wanted, kdir, modules.built(kdir, args.modules), "shell")
    say(f"Guest with the {wanted.family} drivers; logs: {guest.rundir}")
    if args.gdb:
        guest.silence = guest.patience = _FOR_EVER
        say(f"gdb {kdir}/vmlinux -ex 'target remote {guest.sockets}/gdb'")
    files = {Path(name).name: Path(name) for name in args.file}
    outcome = guest.run([("run", "sh /run/harness/job/command")],
                        job={"command": f"cd /run/harness/job\n{args.run}\n".encode()}, files=files,
                        on_line=lambda step, text: print(text, flush=True))
    if not args.quiet:
        print("---- console " + "-" * 60)
        print("\n".join(_shown(guest.console.lines, args.boot)))
    for note in outcome.notes:
        print(f"note: {note}")
    for step, text in outcome.splats:
        print(f"---- the kernel complained during {step}\n{text}")
    status = outcome.steps[-1].status if outcome.steps else None
    say(f"Guest ran {outcome.seconds:.1f} s; root: {outcome.root or 'initramfs'}; "
        f"status: {status}; {outcome.error or 'ended by itself'}; logs: {outcome.rundir}")
    return 0 if outcome.ok() and status == 0 else 1


def _shown(lines: list, boot: bool) -> list:
    """Returns the part of the console that is about the drivers, or all of it."""
    for index, line in enumerate(lines):
        if not boot and "Run /init" in line:
            return lines[index:]
    return lines
