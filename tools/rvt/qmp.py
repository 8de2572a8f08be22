# SPDX-License-Identifier: GPL-2.0
"""A QMP client: one command at a time over a unix socket."""

import json
import socket
import time

from .say import Failure


class Qmp:
    """A connection to the monitor of one QEMU."""

    def __init__(self, path, alive, timeout: float = 20.0):
        """Connects to `path`; `alive` says whether QEMU still runs."""
        self.events = []
        self._sock = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + timeout
        while True:
            try:
                self._sock.connect(str(path))
                break
            except OSError:
                if not alive() or time.monotonic() > end:
                    raise Failure("QEMU ended before its monitor answered")
                time.sleep(0.05)
        self._sock.settimeout(60)
        self._file = self._sock.makefile("r", encoding="utf-8")
        self._read()
        self.command("qmp_capabilities")

    def _read(self) -> dict:
        line = self._file.readline()
        if not line:
            raise Failure("QEMU closed its monitor")
        return json.loads(line)

    def execute(self, request: dict) -> dict:
        """Sends one request and returns the whole reply, keeping events for later."""
        self._sock.sendall(json.dumps(request).encode() + b"\n")
        while True:
            reply = self._read()
            if "event" in reply:
                self.events.append(reply)
                continue
            return reply

    def command(self, name: str, **arguments):
        """Executes `name` and returns its value.

        # Errors

        `Failure` with QEMU's description if the command fails.
        """
        reply = self.execute({"execute": name, "arguments": arguments})
        if "error" in reply:
            raise Failure(f"QMP {name}: {reply['error'].get('desc')}")
        return reply["return"]

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()
        self._sock.close()
