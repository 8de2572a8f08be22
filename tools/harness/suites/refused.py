# SPDX-License-Identifier: GPL-2.0
"""Drivers that would use a wrapper in a way that is not sound, which the compiler has to refuse. Examples in the
documentation, which it has to accept, are in accepted.py.

Each file of `selftests/refused` is compiled as a driver is, against the crates of a module build.
The errors have to be those that the file announces, in these lines and no others: a line ends in
`//~` and the code of an error, or a part of its text where it has no code.
"""

import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

from ..paths import REPO
from ..report.tap import Test
from ..say import Failure, say
from . import accepted

#: The driver whose command is taken.
_LIKE = "net/.virtio_net.o.cmd"
#: The folders of crates that the files use, besides those of that driver.
_MORE = ["abstractions/blockdev"]

_ANNOUNCED = re.compile(r"//~ (.+)$")


def command(text: str) -> tuple:
    """Returns `(environment, arguments)` of the compiler, without source and products, from what
    Kbuild saves of how it made an object. Raises `Failure` if that names no compiler."""
    first = text.partition(" := ")[2].splitlines()[:1]
    words = shlex.split((first or [""])[0].partition(" ;")[0])
    env = {}
    while words and "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        env[name] = value
    kept, words = [], iter(words)
    for word in words:
        if word == "--out-dir":
            next(words, None)
        elif not word.startswith("--emit=") and not word.endswith(".rs"):
            kept.append(word)
    if not kept:
        raise Failure(f"{_LIKE} names no compiler")
    return env, kept


def announced(source: str) -> set:
    """Returns the errors that a file announces: `(line, code or part of the text)`."""
    found = ((number, _ANNOUNCED.search(line)) for number, line in
             enumerate(source.splitlines(), 1))
    return {(number, match[1].strip()) for number, match in found if match}


def wrong(wanted: set, output: str, name: str) -> str:
    """Returns what is wrong with the errors of a compiler, as JSON, for the file `name`."""
    left, said = set(wanted), []
    for message in accepted.errors(output):
        spans = [span for span in message.get("spans", []) if span["is_primary"]]
        if not spans:
            continue
        code, where = (message.get("code") or {}).get("code", ""), spans[0]
        hit = {(number, what) for number, what in wanted
               if where["file_name"].endswith(name) and number == where["line_start"]
               and (what == code or what in message["message"])}
        left -= hit
        if not hit:
            said.append(f"{where['file_name']}:{where['line_start']}: {code} {message['message']}")
    said += [f"line {number}: {what} was expected" for number, what in sorted(left)]
    return "\n".join(said)


class Compiler:
    """The compiler of a module build."""

    #: The folders of crates that files name by `extern crate`.
    crates = _MORE

    def __init__(self, out: Path):
        """`out` is the folder of the build. Raises `Failure` if no drivers were built there."""
        self._out = out
        try:
            self._env, self._words = command((out / _LIKE).read_text())
        except OSError as error:
            raise Failure(str(error))

    def run(self, file: Path) -> subprocess.CompletedProcess:
        """Compiles a file as a driver. Returns the exit status and the messages, as JSON; the crate is thrown away."""
        with tempfile.TemporaryDirectory() as top:
            return subprocess.run(
                [*self._words, *(f"-L{folder}" for folder in _MORE), "--emit=metadata", "--out-dir", top,
                 "--error-format=json", str(file)],
                cwd=self._out, env={**os.environ, **self._env, "RUSTC_BOOTSTRAP": "1"}, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                encoding="utf-8", errors="replace")


def run(out: Path) -> list:
    """Compiles every file and every example against the module build in `out`, and returns the tests."""
    files = sorted((REPO / "selftests/refused").glob("*.rs"))
    try:
        rustc = Compiler(out)
    except Failure as why:
        return [Test("refused", "command", "fail", str(why))]
    say(f"What the compiler has to refuse: {len(files)} drivers")
    tests = []
    for file in files:
        done = rustc.run(file)
        wanted = announced(file.read_text())
        reason = wrong(wanted, done.stdout, file.name) or \
            ("" if done.returncode and wanted else f"it was compiled\n{done.stdout[-2000:]}")
        tests.append(Test("refused", file.stem, "fail" if reason else "pass", reason))
    return tests + accepted.run(rustc)
