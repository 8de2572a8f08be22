# SPDX-License-Identifier: GPL-2.0
"""qemu-storage-daemon: disks for User-mode Linux, as vhost-user-blk devices on sockets.

A disk is QEMU's null device: it completes at once, and reads give zeroes. What is measured is the
way to it and not a medium.
"""

import contextlib
import shutil
import tempfile
import time
from pathlib import Path

from ..proc import kill_session, note_command, output, start, tail
from ..say import Failure
from .uml import measured_child

BINARY = "qemu-storage-daemon"

#: The virtio device id of a disk.
VIRTIO_BLK = 2


def available() -> str:
    """Returns "" if the daemon is installed, or what is wrong."""
    if shutil.which(BINARY):
        return ""
    return f"{BINARY} is not installed (Debian: package qemu-utils)"


def version() -> str:
    """Returns the first line of what the daemon says of its version."""
    return output([BINARY, "--version"]).partition("\n")[0]


class Storage(contextlib.AbstractContextManager):
    """One daemon with any number of disks, from `start()` to `end()`."""

    def __init__(self, rundir: Path):
        self.log = rundir / "storage.log"
        self._rundir = rundir
        self._dir = Path(tempfile.mkdtemp(prefix="harness-disk-"))
        self._argv = [BINARY]
        self._child = None
        #: The sockets, in the order of `add()`.
        self.sockets = []

    def add(self, size: int, queues: int) -> None:
        """Adds a disk of `size` bytes."""
        name = f"disk{len(self.sockets)}"
        path = self._dir / name
        self._argv += [
            "--blockdev", f"driver=null-co,node-name={name},size={size},read-zeroes=on",
            "--export", f"type=vhost-user-blk,id={name},node-name={name},writable=on,"
                        f"num-queues={queues},addr.type=unix,addr.path={path}"]
        self.sockets.append(path)

    def start(self) -> None:
        """Starts the daemon and waits for its sockets."""
        note_command(self._rundir / "storage.cmd", self._argv)
        try:
            self._child = start(self._argv, self.log, measured_child)
        except FileNotFoundError:
            raise Failure(available())
        end = time.monotonic() + 20
        while not all(path.exists() for path in self.sockets):
            self.check()
            if time.monotonic() > end:
                raise Failure(f"{BINARY} opened no socket\n{tail(self.log, 10)}\nLog: {self.log}")
            time.sleep(0.02)

    def __exit__(self, *_error):
        self.end()

    def check(self) -> None:
        """Raises `Failure` if the daemon is gone."""
        if self._child.poll() is not None:
            said = tail(self.log, 10)
            raise Failure(f"{BINARY} ended half-way (status {self._child.returncode})"
                          + (f"\n{said}" if said else "") + f"\nLog: {self.log}")

    def end(self) -> None:
        """Ends the daemon and removes its sockets."""
        if self._child:
            kill_session(self._child)
        shutil.rmtree(self._dir, ignore_errors=True)
