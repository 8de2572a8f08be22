# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/guest/migration.py and of what goes with it, against monitors that are made up."""

import socket
from pathlib import Path

import pytest

from harness.guest import migration
from harness.guest.channel import Channel
from harness.say import Failure

SOCKETS = Path("/tmp/s")
ARGV = ["qemu", "-chardev", "file,id=console,path=/run/console.log",
        "-chardev", "socket,id=channel,path=/tmp/s/channel,server=on,wait=off",
        "-qmp", "unix:/tmp/s/qmp,server=on,wait=off",
        "-netdev", "tap,ifname=tap0,script=no,queues=4,id=net0", "-netdev", "tap,ifname=tap1,script=no,id=net1"]


class Monitor:
    """A monitor that has an answer to each of the questions for the state of a migration, and to no other."""

    def __init__(self, *states):
        self._states = list(states)
        self.asked = []

    def command(self, name: str, **arguments):
        """Takes a command."""
        self.asked.append((name, arguments))
        if name == "query-migrate":
            return {"status": self._states.pop(0)}
        return {"status": "running"}


def names(monitor: Monitor) -> list:
    return [name for name, _ in monitor.asked]


def test_another_qemu_has_sockets_and_taps_of_its_own():
    there = migration.arrival(ARGV, SOCKETS, "-1", {"tap0": "tap0-1"})
    assert there[2] == "file,id=console,path=/run/console.log,append=on"
    assert there[4] == "socket,id=channel,path=/tmp/s/channel-1,server=on,wait=off"
    assert there[6] == "unix:/tmp/s/qmp-1,server=on,wait=off"
    assert there[8] == "tap,ifname=tap0-1,script=no,queues=4,id=net0"
    assert there[10:] == ["tap,ifname=tap1,script=no,id=net1", "-incoming", "defer"]


def test_the_next_one_has_others_again():
    once = migration.arrival(ARGV, SOCKETS, "-1", {"tap0": "tap0-1"})
    twice = migration.arrival(once, SOCKETS, "-2", {"tap0-1": "tap0-2"})
    assert twice == migration.arrival(ARGV, SOCKETS, "-2", {"tap0": "tap0-2"})


def test_a_guest_that_has_arrived_runs_there():
    source, target = Monitor("setup", "active", "completed"), Monitor()
    migration.move(source, target, SOCKETS / "m", False)
    assert names(target) == ["migrate-incoming", "query-status"]
    assert "migrate_cancel" not in names(source)


def test_a_migration_that_fails_is_a_failure():
    with pytest.raises(Failure, match="migration is failed"):
        migration.move(Monitor("active", "failed"), Monitor(), SOCKETS / "m", False)


def test_a_guest_that_is_called_back_is_on_its_way():
    source = Monitor("setup", "active", "cancelling", "cancelled")
    migration.move(source, Monitor(), SOCKETS / "m", True)
    assert names(source).index("migrate_cancel") == 4


def test_a_guest_that_arrives_though_it_is_called_back_is_a_failure():
    with pytest.raises(Failure, match="completed and not active"):
        migration.move(Monitor("completed"), Monitor(), SOCKETS / "m", True)


def test_a_line_begun_in_one_qemu_ends_in_the_other(tmp_path):
    ends = []
    for name in ("one", "other"):
        server = socket.socket(socket.AF_UNIX)
        server.bind(str(tmp_path / name))
        server.listen()
        ends.append(server)
    channel = Channel(tmp_path / "one", tmp_path / "log")
    first = ends[0].accept()[0]
    first.sendall(b"out one\nout t")
    channel.move(tmp_path / "other")
    ends[1].accept()[0].sendall(b"wo\n")
    assert channel.lines(5) == ["out one", "out two"]
    channel.close()
