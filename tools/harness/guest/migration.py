# SPDX-License-Identifier: GPL-2.0
"""Live migration: a guest goes on in another QEMU on this machine, with the same disks."""

import time
from pathlib import Path

from ..say import Failure
from .qmp import Qmp

#: Seconds until the guest is stopped for however long the rest takes, and until it is given up. They are no measure of
#: anything.
_PATIENCE, _LIMIT = 20, 280

#: Bytes a second: more than there are, and so few that the migration can be cancelled.
_FAST, _SLOW = 1 << 34, 1 << 20

#: Milliseconds that the guest may stand still, at first and when patience has ended.
_STOP, _LONG_STOP = 500, 60000


def arrival(argv: list, sockets: Path, name: str, taps: dict) -> list:
    """Returns the command line of the QEMU that a guest is to arrive in. Its sockets have `name` at the end of their
    names, and its NICs are on other TAP devices (old name -> new name)."""
    new = []
    for argument in argv:
        if argument.startswith("file,id=console,") and not argument.endswith(",append=on"):
            argument += ",append=on"
        for socket in ("channel", "qmp"):
            argument = _with_socket(argument, f"{sockets / socket}", name)
        for old, other in taps.items():
            argument = argument.replace(f"ifname={old},", f"ifname={other},")
        new.append(argument)
    return new if "-incoming" in new else [*new, "-incoming", "defer"]


def _with_socket(argument: str, path: str, name: str) -> str:
    """Returns an argument with a socket of another name, if the path of the socket is in it."""
    before, found, after = argument.partition(path)
    return f"{before}{path}{name},{after.partition(',')[2]}" if found else argument


def move(source: Qmp, target: Qmp, socket: Path, cancel: bool) -> None:
    """Moves the guest of one QEMU to another. With `cancel` the guest is called back on the way.

    Raises `Failure` if the guest is elsewhere at the end than it was to be.
    """
    target.command("migrate-incoming", uri=f"unix:{socket}")
    source.command("migrate-set-parameters", **{"max-bandwidth": _SLOW if cancel else _FAST, "downtime-limit": _STOP})
    source.command("migrate", uri=f"unix:{socket}")
    if cancel:
        _wait(source, ("active",))
        source.command("migrate_cancel")
        _wait(source, ("cancelled",))
        return
    _wait(source, ("completed",))
    end = time.monotonic() + _LIMIT
    while target.command("query-status")["status"] != "running":
        if time.monotonic() > end:
            raise Failure("the guest does not run in the QEMU that it arrived in")
        time.sleep(0.05)


def _wait(source: Qmp, wanted: tuple) -> None:
    """Waits for a state of the migration. Raises `Failure` if another one is final."""
    began, long = time.monotonic(), False
    while True:
        now = source.command("query-migrate")
        status = now.get("status", "none")
        if status in wanted:
            return
        if status in ("completed", "failed", "cancelled"):
            raise Failure(f"migration is {status} and not {wanted[0]}: {now.get('error-desc', '')}")
        waited = time.monotonic() - began
        if waited > _LIMIT:
            raise Failure(f"migration is {status} after {_LIMIT} s")
        if waited > _PATIENCE and not long:
            long = True
            source.command("migrate-set-parameters", **{"downtime-limit": _LONG_STOP})
        time.sleep(0.05)
