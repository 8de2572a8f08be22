# SPDX-License-Identifier: GPL-2.0
"""Locks: they last as long as what was started under them."""

import contextlib
import fcntl
import signal
import subprocess
import sys
import time
from pathlib import Path

from harness import lock, proc
from harness.paths import REPO

#: Runs a command under a lock, which leaves a process of its own behind when its parent is killed.
_RUN = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from harness import lock, proc
place = Path(sys.argv[2])
with lock.only_one(place):
    proc.run(["sh", "-c", "(echo $$; while [ ! -e end ]; do sleep 0.05; done; echo >ended) & wait"],
             place.with_name("log"), "it", cwd=place.parent)
"""

#: Prints the descriptors that are open.
_OPEN = """
import os
for number in range(200):
    try:
        os.fstat(number)
    except OSError:
        continue
    print(number)
"""


def _is_free(path: Path) -> bool:
    with open(path, "w", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_a_lock_lasts_until_the_last_process_of_a_killed_run_has_ended(tmp_path):
    run = subprocess.Popen([sys.executable, "-c", _RUN, REPO / "tools", tmp_path / "place"])
    log = tmp_path / "log"
    while not log.exists() or len(log.read_text().split("\n")) < 3:
        assert run.poll() is None
        time.sleep(0.02)
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert not _is_free(tmp_path / ".place.lock")
    (tmp_path / "end").touch()
    with open(tmp_path / ".place.lock", "w", encoding="ascii") as file:
        # Comes back when the last holder is gone, and would hang with one that stays.
        fcntl.flock(file, fcntl.LOCK_EX)
    assert (tmp_path / "ended").exists()


def test_children_have_the_low_descriptors_for_themselves(tmp_path):
    """However many locks there are: dash, which mmdebstrap calls, knows the first ten only."""
    with contextlib.ExitStack() as locks:
        for number in range(12):
            locks.enter_context(lock.only_one(tmp_path / str(number)))
        proc.run([sys.executable, "-c", _OPEN], tmp_path / "log", "it")
    found = [int(line) for line in (tmp_path / "log").read_text().splitlines() if line.isdigit()]
    assert len([number for number in found if number >= 100]) == 12
    assert [number for number in found if 2 < number < 10] == []


def test_a_lock_is_free_after_use(tmp_path):
    with lock.only_one(tmp_path / "place"):
        assert not _is_free(tmp_path / ".place.lock")
        assert len(lock.held()) == 1
    assert _is_free(tmp_path / ".place.lock")
    assert lock.held() == []
