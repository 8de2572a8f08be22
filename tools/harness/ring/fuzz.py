# SPDX-License-Identifier: GPL-2.0
"""Fuzzes the ring core: libFuzzer is the device (virtqueue/ring/fuzz).

Without cargo-fuzz and a nightly compiler: what they do is to pass some flags. Each run makes the
same inputs, from a fixed seed and the corpus that is kept. `HARNESS_FUZZ=SECONDS` runs that long
instead, from another seed each time; what it finds that is new is in `out/fuzz/corpus`.
"""

import os
import re
import shutil
import time
from pathlib import Path

from ..paths import OUT
from ..proc import run as run_logged
from ..report.results import Results
from ..report.tap import Test
from ..say import Failure, say
from .cargo import CRATE as RING
from .sanitize import Tools

#: The crate with the target.
CRATE = RING / "fuzz"
_TARGET = "ring"
#: Inputs of an ordinary run, and the time after which it ends in any case.
_RUNS = 100_000
_SECONDS = 30
_FLAGS = ["-Cpasses=sancov-module", "-Cllvm-args=-sanitizer-coverage-level=4",
          "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
          "-Cllvm-args=-sanitizer-coverage-pc-table",
          "-Cllvm-args=-sanitizer-coverage-trace-compares",
          "-Cllvm-args=-simplifycfg-branch-fold-threshold=0", "-Ccodegen-units=1", "--cfg=fuzzing"]


def run(results: Results, tools: Tools, log: Path) -> None:
    """Builds the target and runs it for a while."""
    flags = [*_FLAGS, *(["-Zsanitizer=address"] if tools.asan else [])]
    env = tools.env("host-fuzz", " ".join(flags))
    argv = [tools.cargo, "build", "--release", "--locked", "--offline", "-j2", f"--target={tools.host}"]
    run_logged(argv, log, "Building the fuzz target", cwd=CRATE, env=env)
    program = Path(env["CARGO_TARGET_DIR"]) / tools.host / "release" / _TARGET
    results.add([_fuzz(program, log, tools.asan)])


def arguments(seconds: str, now: int) -> list:
    """Returns how long and from where to run: `seconds` is what the user asks for, or nothing. Raises `Failure` if that
    is no number."""
    if not seconds:
        return [f"-runs={_RUNS}", f"-max_total_time={_SECONDS}", "-seed=1"]
    if not seconds.isdecimal() or int(seconds) == 0:
        raise Failure(f"HARNESS_FUZZ={seconds} is not a number of seconds")
    return [f"-max_total_time={seconds}", f"-seed={now}"]


def _unpack(place: Path) -> Path:
    """Makes a file of each input that is kept, for libFuzzer, and returns where they are."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for number, line in enumerate((CRATE / "corpus.txt").read_text().splitlines()):
        words = line.split()
        if words and words[0] != "#":
            (place / str(number)).write_bytes(bytes.fromhex(words[0]))
    return place


def _fuzz(program: Path, log: Path, asan: bool) -> Test:
    found = OUT / "fuzz"
    corpus = found / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    asked = os.environ.get("HARNESS_FUZZ", "")
    if not asked:
        for old in corpus.iterdir():
            old.unlink()
    name = "a hostile device" + ("" if asan else ", without the address sanitizer")
    argv = [program, *arguments(asked, int(time.time())), "-max_len=600", "-timeout=30",
            "-print_final_stats=1", f"-artifact_prefix={found}/", corpus, _unpack(found / "kept")]
    try:
        runs = re.search(r"number_of_executed_units: (\d+)", run_logged(argv, log, "Fuzzing"))
    except Failure as failure:
        return Test("ring-fuzz", name, "fail", f"{failure}\nThe input is in {found}")
    if not runs or int(runs[1]) < 1000:
        return Test("ring-fuzz", name, "fail", f"no input was run (log: {log})")
    say(f"Fuzzing: {runs[1]} inputs")
    return Test("ring-fuzz", name, "pass")
