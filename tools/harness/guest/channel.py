# SPDX-License-Identifier: GPL-2.0
"""The machine channel: lines to and from a guest over its second serial port.

From the guest:

	hello <uptime>                  /init runs
	root <device>                   the root file system was found there
	begin <step>, out <text>, end <step> <status>
	note <text>, fatal <text>, done
	host <verb> <argument>          a request, answered by one line: <status> <escaped text>
"""

import json
import select
import subprocess
import time

from ..say import Failure
from .qmp import connect


class Channel:
    """The host's end of the machine channel."""

    def __init__(self, path, log):
        self._log = open(log, "a", encoding="utf-8", buffering=1)
        self._sock = connect(path, "QEMU did not open the machine channel")
        self._rest = b""

    def lines(self, wait: float) -> list:
        """Returns the lines that have come, waiting at most `wait` seconds for the first."""
        ready, _, _ = select.select([self._sock], [], [], wait)
        if not ready:
            return []
        try:
            data = self._sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            time.sleep(min(wait, 0.05))
            return []
        *full, self._rest = (self._rest + data).split(b"\n")
        lines = [line.decode(errors="replace").rstrip("\r") for line in full]
        for line in lines:
            self._log.write(f"< {line}\n")
        return lines

    def move(self, path) -> None:
        """Goes on with another QEMU, in which the guest continues. What the guest said before is kept."""
        self._sock.setblocking(False)
        try:
            while data := self._sock.recv(65536):
                self._rest += data
        except OSError:
            pass
        self._sock.close()
        self._sock = connect(path, "QEMU did not open the machine channel")

    def reply(self, status: int, text: str) -> None:
        """Answers a request."""
        escaped = text.rstrip("\n").replace("\\", "\\\\").replace("\n", "\\n")
        self._log.write(f"> {status} {escaped}\n")
        try:
            self._sock.sendall(f"{status} {escaped}\n".encode())
        except OSError:
            pass

    def close(self) -> None:
        """Closes the channel."""
        self._sock.close()
        self._log.close()


class Requests:
    """Carries out what a guest asks of the host.

    * `qmp <json>`: one monitor command; the reply is its return value as JSON.
    * `sh <command line>`: run in the guest's network namespace and run directory.
    * `bg <command line>`: the same, started and left running until the guest ends.
    * `run <name> <argument>`: an action registered by the test that started the guest.
    """

    def __init__(self, monitor, namespace, rundir, actions):
        #: Returns the monitor of the QEMU in which the guest is.
        self._monitor = monitor
        self._namespace = namespace
        self._rundir = rundir
        self._actions = actions

    def answer(self, line: str) -> tuple:
        """Returns `(status, text)` for the text after "host "."""
        verb, _, rest = line.partition(" ")
        try:
            if verb == "qmp":
                reply = self._monitor().execute(json.loads(rest))
                if "error" in reply:
                    return 1, reply["error"].get("desc", "")
                return 0, json.dumps(reply["return"])
            if verb == "sh":
                done = self._namespace.run(["sh", "-c", rest], timeout=300, check=False, cwd=self._rundir)
                return done.returncode, done.stdout
            if verb == "bg":
                child = self._namespace.start(["sh", "-c", rest], cwd=self._rundir, log="background.log")
                return 0, str(child.pid)
            if verb == "run":
                name, _, argument = rest.partition(" ")
                if name not in self._actions:
                    return 127, f"no host action \"{name}\""
                return 0, str(self._actions[name](argument) or "")
            return 127, f"no host verb \"{verb}\""
        except subprocess.TimeoutExpired:
            return 124, "timed out"
        except (Failure, ValueError, OSError) as error:
            return 1, str(error)
        except Exception as error:  # pylint: disable=broad-except
            # A fault of a script's action fails the script, and leaves the others of the guest.
            return 1, f"{type(error).__name__}: {error}"
