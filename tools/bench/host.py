# SPDX-License-Identifier: GPL-2.0
"""The ring code alone, as a program on the host: ours, virtio-drivers, the kernel's C (tools/bench/host).

Times come from criterion, in rounds, each with every ring in turn, so that ratios are between
neighbours in time. Instructions come from callgrind: the work is done N and 2N times and the
device's part is left out; they are exact.
"""

import json
import re
import shutil
import statistics
import subprocess
from pathlib import Path

from harness import proc
from harness.paths import OUT, REPO, log_dir
from harness.ring.hosttest import find_cargo
from harness.say import Failure

from . import ratio
from .results import Result

TITLE = "The ring code alone, on the host"

BASE = "c-virtio_ring"
_CRATE = REPO / "tools" / "bench" / "host"
#: The function that stands for the device: the same for all rings.
_DEVICE = "bench_device_step"
#: The work is done so many times for the count of instructions, and again twice as often.
_TIMES = 200
#: Seconds of warming up and of measuring for each benchmark of a round; a quick run has fewer
#: rounds and only the usual features.
_WARM, _MEASURE = 0.1, 0.2
_USUAL = ("true", "true")


def run(bench) -> None:
    """Builds the benchmark and measures times and instructions."""
    cargo = find_cargo()
    if not cargo:
        bench.report.skip("host", "cargo is not installed")
        return
    if shutil.which("cc") is None:
        bench.report.skip("host", "no C compiler to build with")
        return
    target = OUT / "bench-host"
    env = {"CARGO_TARGET_DIR": str(target)}
    log = log_dir() / "bench-host.log"
    try:
        proc.run([cargo, "fetch", "--locked"], log, "Fetching crates", cwd=_CRATE, env=env)
    except Failure:
        bench.report.skip("host", f"the crates cannot be fetched (log: {log})")
        return
    proc.run([cargo, "build", "--release", "--locked", "--offline", "-j2"], log,
             "Building the rings for the host", cwd=_CRATE, env=env)
    proc.run([cargo, "bench", "--no-run", "--locked", "--offline", "-j2"], log,
             "Building the benchmark", cwd=_CRATE, env=env)
    instr = target / "release" / "instr"
    cases = [line.split() for line in proc.output([instr, "list"]).splitlines() if line]
    if bench.quick:
        cases = [case for case in cases if tuple(case[3:]) == _USUAL]
    if not any(case[1] == BASE for case in cases):
        bench.report.skip("host: the kernel's own ring",
                          "no kernel source that compiles in user space (KSRC=)")
    _instructions(bench, instr, cases)
    _times(bench, cargo, env, log, target)


def _add(bench, metric: str, unit: str, note: str, found: dict, compare) -> None:
    """Adds a result for each case, (work, ring, layout, indirect, event_idx) -> samples, with its ratio to the
    kernel's ring."""
    for case, values in found.items():
        work, ring, layout, indirect, event_idx = case
        base = found.get((work, BASE, *case[2:]))
        bench.report.add(Result(
            f"{work}-{layout}", "host", ring, ring, layout, "host", metric, statistics.median(values), unit,
            ratio.spread(values), bench.command, samples=values, note=note,
            options={"indirect": indirect == "true", "event_idx": event_idx == "true"},
            ratio=compare(values, base) if base and ring != BASE else None))


# --- instructions ---------------------------------------------------------------------------


def _instructions(bench, instr: Path, cases: list) -> None:
    if shutil.which("valgrind") is None:
        bench.report.skip("host: instructions", "valgrind is not installed")
        return
    found = {}
    for case in cases:
        few, many = (_count(instr, case, times) for times in (_TIMES, 2 * _TIMES))
        found[tuple(case)] = [(many - few) / _TIMES / operations(case[0])]
    _add(bench, "instr_driver_ring", "instructions/op", "callgrind, without the device's part", found,
         lambda ours, base: ratio.exact(ours[0], base[0], ratio.TOLERANCE))


def _count(instr: Path, case: list, times: int) -> int:
    log = OUT / "bench-host" / "callgrind.log"
    log.unlink(missing_ok=True)
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                           f"--log-file={log}", f"--toggle-collect={_DEVICE}",
                           "--collect-atstart=yes", instr, *case, str(times)], check=False)
    if done.returncode:
        raise Failure(f"{' '.join(case)} failed under callgrind (status {done.returncode})")
    return collected(log.read_text())


def collected(text: str) -> int:
    """Returns the instructions that callgrind's summary states."""
    found = re.search(r"Collected *: *(\d+)", text)
    if not found:
        raise Failure(f"callgrind said nothing of instructions\n{text[-500:]}")
    return int(found.group(1))


def operations(work: str) -> int:
    """Returns how many operations one run of the work is: the number that its name ends in."""
    return int(re.search(r"burst(\d+)$", work).group(1)) if "burst" in work else 1


# --- times ----------------------------------------------------------------------------------


def _times(bench, cargo: str, env: dict, log: Path, target: Path) -> None:
    rounds = ratio.ROUNDS if bench.quick else ratio.MANY
    samples = {}
    for number in range(rounds):
        home = target / "criterion" / f"round-{number}"
        shutil.rmtree(home, ignore_errors=True)
        argv = [cargo, "bench", "--locked", "--offline", "--bench", "rings", "--", "--noplot",
                "--sample-size", "10", "--nresamples", "1000",
                "--warm-up-time", str(_WARM / 2 if bench.quick else _WARM),
                "--measurement-time", str(_MEASURE / 2 if bench.quick else _MEASURE)]
        if bench.quick:
            argv.append("_".join(_USUAL) + "/")
        proc.run(argv, log, f"Measuring, round {number + 1} of {rounds}", cwd=_CRATE,
                 env={**env, "CRITERION_HOME": str(home)})
        for case, value in estimates(home).items():
            samples.setdefault(case, []).append(value)
    _add(bench, "time_host", "ns/op", "processor time, the device included: the same for all rings",
         {case: values for case, values in samples.items() if len(values) == rounds},
         lambda ours, base: ratio.compare(ours, base, False))


def estimates(home: Path) -> dict:
    """Returns `{(work, ring, layout, indirect, event_idx): ns per operation}` of a round."""
    found = {}
    for path in sorted(home.glob("*/*/new/estimates.json")):
        group, ring = path.parts[-4], path.parts[-3]
        work, layout, indirect, event_idx = group.split("_")
        nanoseconds = json.loads(path.read_text())["median"]["point_estimate"]
        found[(work, ring, layout, indirect, event_idx)] = nanoseconds / operations(work)
    return found
