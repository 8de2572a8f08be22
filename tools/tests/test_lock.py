# SPDX-License-Identifier: GPL-2.0
"""Locks: they last as long as what was started under them."""

import fcntl
import signal
import subprocess
import sys
import time
import unittest
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
    with open(path, "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


class Lock(unittest.TestCase):

    def test_lasts_until_the_last_process_of_a_killed_run_has_ended(self):
        top = self.top
        run = subprocess.Popen([sys.executable, "-c", _RUN, REPO / "tools", top / "place"])
        while not (top / "log").exists() or len((top / "log").read_text().split("\n")) < 3:
            assert run.poll() is None
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
        run.wait()
        assert not _is_free(top / ".place.lock")
        (top / "end").touch()
        with open(top / ".place.lock", "w", encoding="ascii") as file:
            # Comes back when the last holder is gone, and would hang with one that stays.
            fcntl.flock(file, fcntl.LOCK_EX)
        assert (top / "ended").exists()

    def test_children_have_the_low_descriptors_for_themselves(self):
        """However many locks there are: dash, which mmdebstrap calls, knows the first ten only."""
        for number in range(12):
            self.enter(lock.only_one(self.top / str(number)))
        log = self.top / "log"
        proc.run([sys.executable, "-c", _OPEN], log, "it")
        found = sorted(int(line) for line in log.read_text().splitlines() if line.isdigit())
        assert len([number for number in found if number >= 100]) == 12
        assert [number for number in found if 2 < number < 10] == []

    def test_is_free_after_use(self):
        place = Path(self.top, "place")
        with lock.only_one(place):
            assert not _is_free(Path(self.top, ".place.lock"))
            assert len(lock.held()) == 1
        assert _is_free(Path(self.top, ".place.lock"))
        assert lock.held() == []
