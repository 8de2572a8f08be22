# SPDX-License-Identifier: GPL-2.0
"""The results of the benchmark, and the report that collects them.

A result is one figure of one stack: a workload, on a device, by a driver and ring, in one metric. Results
go to out/bench.json as they come, so that an interrupted run leaves what it had.
"""

import dataclasses
import json
import os
import threading
import time
from pathlib import Path

from harness.say import Failure, say, warn

#: Metric -> its name in a sentence.
METRICS = {
    "instr_driver_ring": "driver and ring instructions",
    "instr_guest": "whole guest instructions",
    "kicks": "kicks", "irqs": "interrupts", "exits": "exits",
    "lines_read": "cache lines read", "lines_written": "cache lines written",
    "throughput": "throughput", "latency_p50": "median latency", "latency_p99": "99 % latency",
    "memory": "memory", "time_host": "time", "time_driver_ring": "driver and ring time",
}
LAYOUTS = ("split", "packed", "split-in-order", "packed-in-order", "")

#: Results are written once in so many seconds: there can be a thousand of them.
_WRITE_EVERY = 2.0


@dataclasses.dataclass
class Result:
    """One figure."""

    #: The work, e.g. "blk-randread-4k-qd1" or "net-icmp-echo".
    workload: str
    #: E.g. "virtio-blk-pci".
    device: str
    #: "c", "rust", or the name of another driver or library.
    driver: str
    ring: str
    #: "" where a ring's layout means nothing (e1000, module sizes).
    layout: str
    #: "tcg", "kvm", "uml" or "host".
    accel: str
    metric: str
    #: None if the result could not be had; `note` then says why.
    value: float = None
    #: E.g. "instructions/op", "kicks/op", "MB/s", "us", "bytes".
    unit: str = ""
    #: (max - min) / median of the repeats; None with a single one.
    spread: float = None
    #: The command that reproduces it.
    command: str = ""
    #: Everything else that the result depends on: {"indirect": true, "event_idx": true, "iommu": false,
    #: "vcpus": 1, "queues": 1}.
    options: dict = dataclasses.field(default_factory=dict)
    #: The parts of the value: a list of {"layer", "module", "function", "value"}.
    breakdown: list = dataclasses.field(default_factory=list)
    #: The single repeats behind the value.
    samples: list = dataclasses.field(default_factory=list)
    #: Against the C driver on the C ring in the same boot or pair of boots: {"value", "low", "high",
    #: "samples", "verdict"}, where more than 1 means more of the metric than C. See ratio.py.
    ratio: dict = None
    #: A latency distribution: a list of [value, fraction], for metric latency_p50 only.
    cdf: list = None
    #: Anything a reader has to know of the value, or why there is none.
    note: str = ""

    def key(self) -> tuple:
        """Returns what tells this result from every other one of a report."""
        return (self.workload, self.device, self.driver, self.ring, self.layout, self.accel,
                self.metric, json.dumps(self.options, sort_keys=True))

    def title(self) -> str:
        """Returns the result's name in one line."""
        options = " ".join(f"{name}={_short(value)}" for name, value in self.options.items())
        where = " ".join(part for part in (self.device, self.layout, options) if part)
        return f"{self.workload} {self.metric}: {self.driver}/{self.ring}" + (where and f" on {where}")


def _short(value) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


class Report:
    """Collects results and problems, and keeps out/bench.json up to date."""

    def __init__(self, path: Path, about: dict):
        self.path = path
        self.about = about
        #: The time of the last write.
        self._written = 0.0
        #: The part of the benchmark that runs.
        self.part = ""
        #: Guests that run at the same time report from threads.
        self._lock = threading.RLock()
        #: Options of every result that is added.
        self.common = {}
        self.results = []
        #: Errors; any makes the exit status 1.
        self.problems = []
        #: Work that was left out, with the reason; none of it makes the run fail.
        self.skipped = []

    def add(self, result: Result) -> None:
        """Takes a result; one with the same key is replaced. The file has it in a moment."""
        result.options = {**result.options, **self.common}
        if result.metric not in METRICS:
            raise ValueError(f"metric {result.metric}")
        if result.layout not in LAYOUTS:
            raise ValueError(f"layout {result.layout}")
        with self._lock:
            self.results = [other for other in self.results if other.key() != result.key()] + [result]
        shown = "none" if result.value is None else f"{result.value:,.4g} {result.unit}"
        spread = "" if result.spread is None else f" (spread {100 * result.spread:.1f} %)"
        note = f": {result.note}" if result.note and result.value is None else ""
        say(f"  {result.title()}: {shown}{spread}{note}")
        if time.monotonic() - self._written > _WRITE_EVERY:
            self.write()

    def begin(self, part: str) -> None:
        """Notes which part of the benchmark runs now. What an earlier run of it had to complain of is
        forgotten; its figures stay until there are new ones."""
        self.part = part
        for notes in (self.problems, self.skipped):
            notes[:] = [note for note in notes if note.get("part", "") != part]

    def skip(self, what: str, why: str) -> None:
        """Notes something that this machine cannot do."""
        say(f"  left out: {what}: {why}")
        self.skipped.append({"part": self.part, "what": what, "why": why})
        self.write()

    def problem(self, what: str, why: str) -> None:
        """Notes something that should have worked and did not."""
        warn(f"{what}: {why}")
        self.problems.append({"part": self.part, "what": what, "why": why})
        self.write()

    def as_dict(self) -> dict:
        """Returns what the JSON file holds."""
        return {"about": self.about, "problems": self.problems, "skipped": self.skipped,
                "results": [dataclasses.asdict(result) for result in self.results]}

    def write(self) -> None:
        """Writes the JSON file, whole or not at all."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        part = self.path.with_suffix(".part")
        with self._lock:
            part.write_text(json.dumps(self.as_dict(), indent=1) + "\n")
            os.replace(part, self.path)
        self._written = time.monotonic()


def load(path: Path, name: str = "") -> Report:
    """Reads a report back; one of another version may have more fields or fewer. `name` is that of its variable. Raises
    `Failure` naming what is wrong with the file."""
    known = {field.name: field for field in dataclasses.fields(Result)}
    absent = {key: "" for key, field in known.items()
              if field.default is field.default_factory is dataclasses.MISSING}
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        report = Report(Path(path), data.get("about", {}))
        report.problems, report.skipped = data.get("problems", []), data.get("skipped", [])
        # Files of earlier versions have cells with parts.
        for found in data.get("results", data.get("cells")):
            found = {"breakdown": found.get("parts", []), **found}
            report.results.append(Result(**{**absent, **{key: found[key] for key in known if key in found}}))
    except OSError as error:
        raise Failure(f"{name}{path}: {error.strerror} (make bench measures)")
    except (ValueError, TypeError, AttributeError) as error:
        raise Failure(f"{name}{path}: not a report of the benchmark ({error})")
    return report
