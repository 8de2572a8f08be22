# SPDX-License-Identifier: GPL-2.0
"""Child processes: run to the end with a log, or kept running and ended with us."""

import ctypes
import os
import shlex
import shutil
import signal
import subprocess
import time
from pathlib import Path

from . import lock
from .say import Failure, Progress

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent() -> None:
    """Asks the kernel to end this child when the harness dies, however it dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _own_group() -> None:
    """Gives a child a process group, but leaves it the terminal by which sudo knows its user."""
    os.setpgid(0, 0)
    die_with_parent()


class CommandFailed(Failure):
    """A command ended with a status other than 0. `printed` is its output."""

    def __init__(self, text: str, printed: str = ""):
        super().__init__(text)
        self.printed = printed


def run(argv, log: Path, what: str, cwd=None, env=None, count=None) -> str:
    """Runs `argv` to its end with its output appended to `log`, and returns that output.

    `count`, if given, maps the number of lines written so far and the last line to the text
    shown while waiting.

    Raises `CommandFailed` naming `what`, the exit status, the last lines and the log when `argv` fails.
    """
    argv = [str(a) for a in argv]
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "a", encoding="utf-8", errors="replace") as out:
        out.write(f"$ {shlex.join(argv)}\n")
        out.flush()
        start = out.tell()
        full = dict(os.environ, **(env or {}))
        try:
            child = subprocess.Popen(argv, stdout=out, stderr=subprocess.STDOUT, cwd=cwd, env=full,
                                     stdin=subprocess.DEVNULL, preexec_fn=_own_group,
                                     pass_fds=lock.held())
        except FileNotFoundError:
            raise Failure(f"{what}: {argv[0]} is not installed")
        _wait(child, log, start, what, count)
    with open(log, "rb") as text:
        text.seek(start)
        printed = text.read().decode(errors="replace")
    if child.returncode:
        raise CommandFailed(f"{what} failed (status {child.returncode})\n{tail(log, 20)}\nLog: {log}", printed)
    return printed


def start(argv, log: Path, in_child=die_with_parent, **options):
    """Starts `argv` in a session of its own, with its output appended to `log`, and returns the child, which ends with
    the harness. `in_child` is called in the child before the program."""
    with open(log, "ab") as out:
        return subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                start_new_session=True, preexec_fn=in_child, **options)


def note_command(path: Path, argv) -> None:
    """Writes a command line to a file, with an argument in each line."""
    path.write_text(" \\\n\t".join(map(str, argv)) + "\n")


def _wait(child, log: Path, start: int, what: str, count) -> None:
    """Waits for `child`, showing progress; ends its whole session on any exception."""
    progress = Progress(what)
    lines, last, pos = 0, "", start
    try:
        while child.poll() is None:
            time.sleep(0.1)
            with open(log, "rb") as text:
                text.seek(pos)
                new = text.read()
            pos += len(new)
            lines += new.count(b"\n")
            stripped = new.strip().rsplit(b"\n", 1)[-1]
            last = stripped.decode(errors="replace").strip() or last
            progress.update(count(lines, last) if count else last[:80])
    except BaseException:
        kill_session(child)
        raise
    finally:
        progress.end()


def kill_session(child) -> None:
    """Ends the process group that `child` leads, politely and then not."""
    for sig, wait in ((signal.SIGTERM, 3), (signal.SIGKILL, 3)):
        try:
            os.killpg(child.pid, sig)
            child.wait(wait)
            return
        except (ProcessLookupError, PermissionError):
            return
        except subprocess.TimeoutExpired:
            continue


def output(argv, env=None) -> str:
    """Returns the stdout of `argv`, or the empty string if it fails, is not there, or is a program of
    another machine."""
    try:
        done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL, env=dict(os.environ, **(env or {})))
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""


def program(name: str, package: str = "") -> str:
    """Returns the path of a program, which is in a package that `make setup` installs, if one is named. Raises
    `Failure` if the program is not there."""
    found = shutil.which(name)
    if not found:
        raise Failure(f"{name} is not installed" + (f" (package {package}, or make setup)" if package else ""))
    return found


def tail(path: Path, lines: int) -> str:
    """Returns the last `lines` lines of a text file, indented."""
    try:
        text = path.read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return ""
    return "\n".join("    " + line for line in text)
