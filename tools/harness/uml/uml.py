# SPDX-License-Identifier: GPL-2.0
"""User-mode Linux: a guest kernel that is an ordinary process, driven one command at a time.

The guest's root is the host's own file system, read-only, so that the host's tools run in it. It
has no network and needs no privileges. Its processor time can be read from outside: the process
named here is the guest's kernel alone; programs in the guest are processes of their own.
"""

import contextlib
import ctypes
import os
import select
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from ..guest.console import Console
from ..paths import GUEST_SCRIPTS
from ..proc import die_with_parent, kill_session, note_command, start, tail
from ..say import Failure

#: The first process of the guest.
INIT = GUEST_SCRIPTS / "uml.sh"

#: Hang guards, in seconds.
_BOOT_LIMIT = 120
_COMMAND_LIMIT = 300

#: The lowest real-time priority, ahead of all that has none.
_PRIORITY = 1

_libc = ctypes.CDLL(None, use_errno=True)


def measured_child() -> None:
    """Makes a child end with the harness, and puts it ahead of the machine's other work where that
    is permitted: what runs in turns with others measures them too."""
    die_with_parent()
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(_PRIORITY))
    except OSError:
        pass


def processor_time(pid: int) -> float:
    """Returns the processor time of a process, all its threads together, in seconds."""
    clock = ctypes.c_int()
    if _libc.clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise Failure(f"the processor time of process {pid} cannot be read")
    return time.clock_gettime(clock.value)


class Uml(contextlib.AbstractContextManager):
    """A guest, from `start()` to `end()`."""

    def __init__(self, kdir: Path, rundir: Path, vcpus: int = 1, memory: str = "512M"):
        self.kdir = Path(kdir)
        self.rundir = rundir
        self.vcpus = vcpus
        self.memory = memory
        #: Devices: (vhost-user socket, virtio device id).
        self.devices = []
        #: Called while a command runs; raise `Failure` if what the guest needs is gone.
        self.watch = []
        self.console = Console(rundir / "console.log")
        self._dir = Path(tempfile.mkdtemp(prefix="harness-uml-"))
        self._child = self._sock = None
        self._rest = b""

    def start(self) -> None:
        """Boots, and returns when the guest takes commands."""
        self._sock, theirs = socket.socketpair()
        # The kernel's command line knows no blanks in names.
        (self._dir / "init").symlink_to(INIT)
        argv = [self.kdir / "linux", f"mem={self.memory}", f"ncpus={self.vcpus}",
                f"uml_dir={self._dir}", "umid=guest", "root=/dev/root", "rootfstype=hostfs",
                "rootflags=/", "ro", f"init={self._dir / 'init'}", "con0=fd:0,fd:1", "seccomp=auto",
                f"con1=fd:{theirs.fileno()}", "console=tty0", "printk.time=1",
                *(f"virtio_uml.device={path}:{kind}" for path, kind in self.devices)]
        note_command(self.rundir / "uml.cmd", argv)
        self._child = start(argv, self.console.path, measured_child, cwd=self.rundir, pass_fds=[theirs.fileno()])
        theirs.close()
        self._until(lambda line: line == "hello", "the boot", _BOOT_LIMIT)

    @property
    def pid(self) -> int:
        """The process of the guest's kernel."""
        return self._child.pid

    def __exit__(self, *_error):
        self.end()

    def do(self, command: str, limit: float = _COMMAND_LIMIT) -> tuple:
        """Runs a command line in the guest; returns `(status, output)`."""
        self._send(command)
        lines = []
        last = self._until(lambda line: line.startswith("end "), command, limit, lines)
        return int(last.split()[1]), "\n".join(line[4:] for line in lines if line.startswith("out "))

    def must(self, command: str, limit: float = _COMMAND_LIMIT) -> str:
        """Runs a command line that has to succeed; returns its output."""
        status, text = self.do(command, limit)
        if status:
            raise Failure(f"in the guest, \"{command}\" failed (status {status}): {text}\nLog: {self.console.path}")
        return text

    def read(self, path: str) -> str:
        """Returns the content of a file of the guest, "" if there is none; costs next to nothing."""
        return self.do(f"read {path}")[1]

    def time(self) -> float:
        """Returns the processor time of the guest's kernel so far, in seconds."""
        return processor_time(self._child.pid)

    def scheduling(self) -> str:
        """Returns how the guest shares the processors with other work of the machine."""
        policy = os.sched_getscheduler(self._child.pid)
        return "ahead of other work" if policy == os.SCHED_RR else \
            "in turns with other work: real-time priority is not permitted"

    def writes(self) -> int:
        """Returns the number of write system calls of the guest's kernel so far."""
        text = Path(f"/proc/{self._child.pid}/io").read_text()
        return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("syscw"))

    def complaints(self) -> list:
        """Returns what the kernel complained of, as `(step, excerpt)`."""
        self.console.poll()
        return self.console.splats()

    def end(self) -> None:
        """Ends the guest and removes its files."""
        if self._child and self._child.poll() is None:
            try:
                self._send("exit")
                self._child.wait(10)
            except (Failure, subprocess.TimeoutExpired):
                pass
        if self._child:
            # Also what is left of its programs.
            kill_session(self._child)
        if self._sock:
            self._sock.close()
        shutil.rmtree(self._dir, ignore_errors=True)

    def _send(self, command: str) -> None:
        try:
            self._sock.sendall(command.encode() + b"\n")
        except OSError:
            raise self._gone(command)

    def _gone(self, what: str) -> Failure:
        status = self._child.wait(10) if self._child.poll() is None else self._child.returncode
        self.console.poll()
        why = "its kernel panicked" if self.console.panicked() else f"status {status}"
        return Failure(f"User-mode Linux ended half-way, in {what} ({why})\n"
                       f"{tail(self.console.path, 15)}\nLog: {self.console.path}")

    def _until(self, last, what: str, limit: float, lines=None) -> str:
        """Collects lines up to the one that `last` says is it, and returns that."""
        end = time.monotonic() + limit
        while True:
            while b"\n" in self._rest:
                raw, self._rest = self._rest.split(b"\n", 1)
                line = raw.decode(errors="replace").rstrip("\r")
                if last(line):
                    return line
                if lines is not None:
                    lines.append(line)
            for check in self.watch:
                check()
            if select.select([self._sock], [], [], 0.2)[0]:
                self._receive(what)
            elif self._child.poll() is not None:
                raise self._gone(what)
            elif time.monotonic() > end:
                raise Failure(f"User-mode Linux did not come to the end of {what} within "
                              f"{limit:.0f} s\n{tail(self.console.path, 15)}\n"
                              f"Log: {self.console.path}")

    def _receive(self, what: str) -> None:
        try:
            data = self._sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            raise self._gone(what)
        self._rest += data
