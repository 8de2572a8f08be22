# SPDX-License-Identifier: GPL-2.0
"""A QMP client: one command at a time over a unix socket."""

import json
import socket
import time

from ..say import Failure

#: Seconds that QEMU has to open its sockets, and to answer. They are no measure of anything: a machine with many
#: guests may take long.
_TIMEOUT = 120


def connect(path, reason: str, alive=lambda: True) -> socket.socket:
    """Connects to a socket that QEMU opens soon, if it is alive. Raises `Failure` with the reason if it does not."""
    end, connection = time.monotonic() + _TIMEOUT, socket.socket(socket.AF_UNIX)
    while True:
        try:
            connection.connect(str(path))
            return connection
        except OSError:
            if not alive() or time.monotonic() > end:
                raise Failure(reason)
            time.sleep(0.05)


class Qmp:
    """A connection to the monitor of one QEMU."""

    def __init__(self, path, alive):
        """Connects to `path`; `alive` says whether QEMU still runs."""
        self._sock = connect(path, "QEMU ended before its monitor answered", alive)
        self._sock.settimeout(_TIMEOUT)
        self._file = self._sock.makefile("r", encoding="utf-8")
        self._read()
        self.command("qmp_capabilities")

    def _read(self) -> dict:
        try:
            line = self._file.readline()
        except OSError as error:
            raise Failure(f"QEMU's monitor does not answer: {error}")
        if not line:
            raise Failure("QEMU closed its monitor")
        return json.loads(line)

    def execute(self, request: dict) -> dict:
        """Sends one request and returns the whole reply. Drops what comes before: events, and a second greeting.

        QEMU greets twice if a connection comes while the thread of the monitor takes over the socket.
        """
        self._sock.sendall(json.dumps(request).encode() + b"\n")
        while not {"return", "error"} & (reply := self._read()).keys():
            pass
        return reply

    def command(self, name: str, **arguments):
        """Executes `name` and returns its value. Raises `Failure` with QEMU's description if the command fails."""
        reply = self.execute({"execute": name, "arguments": arguments})
        if "error" in reply:
            raise Failure(f"QMP {name}: {reply['error'].get('desc')}")
        return reply["return"]

    def close(self) -> None:
        """Closes the connection."""
        self._file.close()
        self._sock.close()
