# SPDX-License-Identifier: GPL-2.0
"""A machine under QEMU that runs a job and tells of it over the machine channel.

What boots in it, and how the job gets in, is said by those who derive from `Machine`.
"""

import dataclasses
import itertools
import os
import shlex
import shutil
import tempfile
import time
from pathlib import Path

from ..paths import OUT
from ..proc import kill_session, note_command, start, tail
from ..say import Failure
from . import migration
from .channel import Channel, Requests
from .console import Console
from .network import Namespace
from .qemu import CommandLine
from .qmp import Qmp
from .spec import Spec

#: Hang guards, in seconds of silence. They are no measure of anything: only a stuck guest meets them.
BOOT_LIMIT = 300
QUIET_LIMIT = 420
#: How long a job may be silent after the kernel has said that something is stuck.
STUCK_LIMIT = 60

_serial = itertools.count(1)


@dataclasses.dataclass
class Step:
    """One step of a job, as it went. `status` is None if it did not end."""

    name: str
    lines: list = dataclasses.field(default_factory=list)
    status: int = None
    seconds: float = 0.0
    console: str = ""


@dataclasses.dataclass
class Outcome:
    """How a guest ran."""

    rundir: Path
    steps: list = dataclasses.field(default_factory=list)
    #: Why the job did not come to its end; "" if it did.
    error: str = ""
    #: Complaints of the kernel: (step, excerpt).
    splats: list = dataclasses.field(default_factory=list)
    root: str = ""
    seconds: float = 0.0
    notes: list = dataclasses.field(default_factory=list)

    def read(self, console: Console, allow=()) -> None:
        """Takes what a console has about the kernel and the steps."""
        console.poll()
        self.splats = console.splats(allow)
        for step in self.steps:
            step.console = console.excerpt(step.name)

    def ok(self) -> bool:
        """Returns whether the guest ran to its end and the kernel had nothing to complain of."""
        return not self.error and not self.splats


def exports(env: dict) -> bytes:
    """Returns the text by which a script gets its variables."""
    return "".join(f"export {key}={shlex.quote(str(value))}\n" for key, value in env.items()).encode()


class Machine:
    """A machine to be run once."""

    #: By what the limits of the scripts are multiplied, and that of the machine's silence.
    patience = 1
    silence = 1
    #: Seconds of silence after the last step, until the machine is ended from outside.
    farewell = 30

    def __init__(self, spec: Spec, name: str = "guest", actions=None):
        self.spec = spec
        #: What `host run <name>` of the guest does: name -> function of the argument.
        self.actions = actions or {}
        #: Called with the guest before QEMU starts, to put files or servers in place.
        self.prepare = []
        self.rundir = OUT / "run" / f"{time.strftime('%H%M%S')}-{name}-{next(_serial)}"
        shutil.rmtree(self.rundir, ignore_errors=True)
        self.rundir.mkdir(parents=True)
        self.sockets = Path(tempfile.mkdtemp(prefix="harness-"))
        #: The host's side of the guest's network, from boot on.
        self.namespace = None
        self._child = self._qmp = self._channel = None
        #: The command line of QEMU, and what is in its environment.
        self._argv, self._environment = [], {}
        #: (process, monitor) of the QEMU that the guest has left last, and how often it has left one.
        self._left, self._moves = (None, None), 0
        self.console = Console(self.rundir / "console.log")

    def monitor(self) -> Qmp:
        """Returns the monitor of QEMU, which has been started."""
        return self._qmp

    def pid(self) -> int:
        """Returns the id of QEMU's process."""
        return self._child.pid

    def run(self, steps, job=None, files=None, on_line=None, limit: float = 3600, env=None) -> Outcome:
        """Boots, runs `steps`, a list of `(name, command line)`, and waits for the end.

        `job` (name -> bytes) and `files` (name -> path) are put in /run/harness/job of the guest.
        `on_line(step, text)` sees each line of output as it comes.
        """
        outcome = Outcome(self.rundir)
        began = time.monotonic()
        try:
            text = "".join(f"{name} {command}\n" for name, command in steps)
            self._boot({**(job or {}), "steps": text.encode()}, files or {}, {**self._variables(), **(env or {})})
            self._follow(outcome, on_line or (lambda step, text: None), limit * self.patience)
        finally:
            self._end()
        outcome.read(self.console, self.spec.allow)
        outcome.seconds = time.monotonic() - began
        return outcome

    def _variables(self) -> dict:
        """Returns the variables of the scripts that run in the machine."""
        return {"HARNESS_FAMILY": self.spec.family, "HARNESS_RING": self.spec.provider(),
                "HARNESS_TRANSPORT": self.spec.transport, "HARNESS_LAYOUT": self.spec.layout or "split",
                "HARNESS_PATIENCE": self.patience}

    def _boot(self, job: dict, files: dict, env: dict) -> None:
        """Makes what the machine boots from, and starts it."""
        raise NotImplementedError

    def _start(self, line: CommandLine) -> None:
        """Adds the network and the devices of the description, and starts QEMU."""
        self.namespace = Namespace(self.rundir)
        for prepare in self.prepare:
            prepare(self)
        for index in range(len(self.spec.blk)):
            line.disk(index)
        for index, nic in enumerate(self.spec.net):
            tap = "" if nic.netdev else self.namespace.add_tap(index, nic.queues, nic.dhcp, nic.mtu)
            line.nic(index, tap)
        for index in range(len(self.spec.devices)):
            line.device(index)
        self._argv, self._environment = line.finish(), {**os.environ, **line.env()}
        self._child, self._qmp = self._start_qemu(self._argv, "")
        self._channel = Channel(self.sockets / "channel", self.rundir / "channel.log")

    def _start_qemu(self, argv: list, name: str) -> tuple:
        """Starts a QEMU whose files have `name` in their names, and returns its process and its monitor."""
        log = self.rundir / f"qemu{name}.log"
        note_command(self.rundir / f"qemu{name}.cmd", argv)
        child = start(self.namespace.inside(argv), log, cwd=self.rundir, env=self._environment)
        try:
            return child, Qmp(self.sockets / f"qmp{name}", lambda: child.poll() is None)
        except Failure as failure:
            kill_session(child)
            raise Failure(f"{failure}:\n{tail(log, 10)}\nLog: {log}")

    def migrate(self, taps: dict, cancel: bool = False) -> None:
        """Has the guest go on in another QEMU, where its NICs are on other TAP devices (old name -> new name). With
        `cancel` the guest is called back on the way, and goes on where it is.

        The QEMU that the guest has left holds its TAP devices until the guest leaves the next one.
        """
        self._moves += 1
        name = f"-{self._moves}"
        self._forget_left()
        argv = migration.arrival(self._argv, self.sockets, name, taps)
        child, monitor = self._start_qemu(argv, name)
        arrived = False
        try:
            migration.move(self._qmp, monitor, self.sockets / f"migration{name}", cancel)
            arrived = not cancel
        finally:
            self._left = (self._child, self._qmp) if arrived else (child, monitor)
            if arrived:
                self._channel.move(self.sockets / f"channel{name}")
                self._argv, self._child, self._qmp = argv, child, monitor

    def _forget_left(self) -> None:
        """Ends the QEMU that the guest has left."""
        child, monitor = self._left
        self._left = (None, None)
        if child:
            monitor.close()
            kill_session(child)

    def _follow(self, outcome: Outcome, on_line, limit: float) -> None:
        """Reads the channel and the console until the guest ends or gets stuck."""
        requests = Requests(self.monitor, self.namespace, self.rundir, self.actions)
        began = heard = answered = time.monotonic()
        boot_limit, quiet_limit = BOOT_LIMIT * self.silence, QUIET_LIMIT * self.silence
        greeted = False
        done = False
        while True:
            # Asked before the channel is read: what QEMU wrote before it ended is there then.
            ended = self._child.poll() is not None
            lines = self._channel.lines(0.1)
            if self.console.poll() or lines:
                heard = time.monotonic()
            for line in lines:
                greeted = True
                done = self._line(line, outcome, requests, on_line) or done
                heard = answered = time.monotonic()
            now = time.monotonic()
            if ended and not lines:
                if not done and not outcome.error:
                    self.console.poll()
                    outcome.error = "the kernel panicked" if self.console.panicked() else \
                        f"QEMU ended half-way (status {self._child.returncode})"
                return
            if done and now - heard > self.farewell:
                self._stays(outcome)
                return
            step = outcome.steps[-1].name if outcome.steps else "boot"
            if not greeted and now - heard > boot_limit:
                outcome.error = f"did not boot: silent for {boot_limit} s"
            elif now - heard > quiet_limit:
                outcome.error = f"silent for {quiet_limit} s during \"{step}\""
            elif now - answered > STUCK_LIMIT and self.console.stuck():
                outcome.error = f"stuck in \"{step}\": {self.console.stuck()}"
            elif now - began > limit:
                outcome.error = f"still running after {limit:.0f} s, in \"{step}\""
            else:
                continue
            return

    def _stays(self, outcome: Outcome) -> None:
        """Takes note that the machine did not go down after its last step."""

    def _line(self, line: str, outcome: Outcome, requests: Requests, on_line) -> bool:
        """Handles one line of the channel; returns whether it was the last one."""
        verb, _, rest = line.partition(" ")
        step = outcome.steps[-1] if outcome.steps else None
        if verb == "out" and step:
            step.lines.append(rest)
            on_line(step.name, rest)
        elif verb == "begin":
            outcome.steps.append(Step(rest, seconds=time.monotonic()))
        elif verb == "end" and step:
            step.seconds = time.monotonic() - step.seconds
            status = rest.rpartition(" ")[2]
            step.status = int(status) if status.isdigit() else 1
        elif verb == "host":
            answer = requests.answer(rest)
            self._channel.reply(*answer)
        elif verb == "root":
            outcome.root = rest
        elif verb == "note":
            outcome.notes.append(rest)
        elif verb == "fatal":
            outcome.error = rest
        return verb == "done"

    def _end(self) -> None:
        """Ends QEMU and everything else of this guest, and removes its bulky files."""
        self._forget_left()
        if self._child:
            kill_session(self._child)
        for part in (self._qmp, self._channel, self.namespace):
            if part:
                part.close()
        shutil.rmtree(self.sockets, ignore_errors=True)
        shutil.rmtree(self.rundir / "root-9p", ignore_errors=True)
        for bulky in [self.rundir / "initramfs.cpio", *self.rundir.glob("*.img"), *self.rundir.glob("*.qcow2")]:
            bulky.unlink(missing_ok=True)
