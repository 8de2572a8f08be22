# SPDX-License-Identifier: GPL-2.0
"""Tests of harness/guest/qmp.py, against a monitor that is made up."""

import json
import socket
import threading

import pytest

from harness.guest.qmp import Qmp
from harness.say import Failure

GREETING = {"QMP": {"capabilities": []}}


@pytest.fixture
def monitor(tmp_path):
    """Returns a function that connects to a monitor: it has so much to say before its answer to each request."""
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "qmp"))
    server.listen()

    def answer(says: list) -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rw", encoding="utf-8") as file:
            def say(*messages):
                file.write("".join(json.dumps(message) + "\n" for message in messages))
                file.flush()
            say(GREETING)
            for messages in says:
                file.readline()
                say(*messages)

    def connect(*says: list) -> Qmp:
        threading.Thread(target=answer, args=(says,), daemon=True).start()
        return Qmp(tmp_path / "qmp", lambda: True)

    yield connect
    server.close()


def test_events_and_a_second_greeting_are_no_answer(monitor):
    qmp = monitor([GREETING, {"return": {}}], [{"event": "RESUME"}, {"return": 7}])
    assert qmp.command("query") == 7
    qmp.close()


def test_a_monitor_that_says_nothing_is_a_failure(monitor):
    qmp = monitor([{"return": {}}], [], [])
    qmp._sock.settimeout(0.1)
    with pytest.raises(Failure, match="does not answer"):
        qmp.command("query")
    qmp.close()


def test_an_error_has_the_text_of_the_monitor(monitor):
    qmp = monitor([{"return": {}}], [{"error": {"desc": "no such device"}}])
    with pytest.raises(Failure, match="QMP query: no such device"):
        qmp.command("query")
    qmp.close()
