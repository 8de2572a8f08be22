# SPDX-License-Identifier: GPL-2.0
"""Children of the harness: what they print, and their end."""

import os
import signal
import sys
import time

import pytest

from harness import proc
from harness.say import Failure


def test_what_a_command_prints_is_returned_without_what_is_in_the_log_before_it(write):
    log = write("log", "of an earlier run\n")
    assert proc.run(["echo", "one"], log, "a command") == "one\n"
    with pytest.raises(proc.CommandFailed, match=r"(?s)a command failed \(status 3\).*    two.*Log: ") as caught:
        proc.run(["sh", "-c", "echo two; exit 3"], log, "a command")
    assert caught.value.printed == "two\n"
    assert log.read_text() == ("of an earlier run\n$ echo one\none\n$ sh -c 'echo two; exit 3'\ntwo\n")


def test_a_command_that_is_not_there_is_named(tmp_path):
    with pytest.raises(Failure, match="a command: /nonexistent is not installed"):
        proc.run(["/nonexistent"], tmp_path / "log", "a command")


def test_a_child_that_is_left_running_has_a_session_and_a_log(write):
    log = write("log", "before\n")
    child = proc.start([sys.executable, "-c", "import os, time; print(os.getsid(0), flush=True); time.sleep(600)"], log)
    end = time.monotonic() + 60
    while log.read_text().count("\n") < 2 and time.monotonic() < end:
        time.sleep(0.01)
    assert log.read_text() == f"before\n{child.pid}\n" != f"before\n{os.getsid(0)}\n"
    proc.kill_session(child)
    assert child.returncode == -signal.SIGTERM
