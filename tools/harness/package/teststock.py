# SPDX-License-Identifier: GPL-2.0
"""`harness.py test-stock`: the package, and what it does to a Debian with Debian's own kernel.

The story is told in chapters. Each is one boot of a whole Debian; it begins with the disk as another
chapter left it, does something to it, and the next one sees what a reboot makes of that.
"""

import argparse
import dataclasses
import os
import re
import shlex
import shutil
import tempfile
from pathlib import Path

from ..guest import spec, stall
from ..paths import OUT, log_dir
from ..proc import program
from ..proc import run as run_logged
from ..report.results import Results
from ..report.tap import Test
from ..say import Failure, say
from ..suites import selftest
from . import disk_image
from .guest import DebianGuest, Disk
from .story import CHAPTERS, SELFTESTS, Chapter, compare, selection

#: Disks and NICs besides the root disk and the NIC with the default route: those of the selftests.
MACHINE = {"blk": [{"size": "64M"}, {"size": "48M", "readonly": True},
                   {"size": "32M", "port": False,
                    "props": {"disable-modern": "on", "disable-legacy": "off"}}],
           "net": [{}, {"queues": 2}]}

#: Behind the suites of selftests that ran in this machine.
_IN_STORY = " (Debian guest)"


class Story:
    """The chapters that are run, and the disks between them."""

    def __init__(self, results: Results, deb: Path, chapters: list, place: Path):
        self.results = results
        self.deb = deb
        self.chapters = chapters
        self.place = place
        self.log = log_dir() / "test-stock.log"
        self.inventories = {}
        self._failed = {}

    def run(self) -> None:
        """Runs the chapters one after the other."""
        for index, chapter in enumerate(self.chapters):
            if chapter.after in self._failed:
                why = self._failed[chapter.name] = self._failed[chapter.after]
                self.results.add([Test(f"stock/{chapter.name}", "all", "skip", why)])
                continue
            later = self.chapters[index + 1:]
            self._chapter(chapter, any(one.after == chapter.after for one in later))

    def _chapter(self, chapter: Chapter, needed: bool) -> None:
        """Runs one chapter. The disk it begins with is `needed` again if that is so."""
        path = self.place / f"{chapter.name}.ext4"
        before = self.place / f"{chapter.after}.ext4"
        if chapter.image:
            image = disk_image.fresh(self.log) if chapter.image == "fresh" else disk_image.installed(self.deb, self.log)
            _copy(image, path, self.log)
        elif needed:
            _copy(before, path, self.log)
        else:
            before.rename(path)
        disk = Disk(path, self.log)
        tests, error = self._boot(chapter, disk)
        self.results.add(tests)
        if error:
            self._failed[chapter.name] = f"the machine of stock/{chapter.name} did not come to its end"

    def _boot(self, chapter: Chapter, disk: Disk) -> tuple:
        kernels = disk.kernels()
        release = kernels[0 if chapter.oldest else -1] if kernels else ""
        wanted = spec.Spec(**MACHINE, family=chapter.family, ring="c", cmdline=chapter.cmdline)
        steps = [(f"stock/{chapter.name}/{re.split(r'[ .]', step)[0]}",
                  f"cd /run/harness/selftests/stock && HARNESS_EXPECTED={shlex.quote(chapter.expected)} sh ./{step}")
                 for step in chapter.steps]
        at = len(steps) if chapter.selftests_at is None else chapter.selftests_at
        steps[at:at] = [(name, selftest.command(name, "600"))
                        for name in (SELFTESTS if chapter.selftests_at is not None else [])]
        files = {path.name: path for path in (make(self.deb, self.place, self.log) for make in chapter.files)}

        def boot(wanted: spec.Spec):
            guest = DebianGuest(wanted, disk, f"stock-{chapter.name}", release)
            say(f"{chapter.text}: kernel {release}; logs: {guest.rundir}")
            return guest.run(steps, files=files, on_line=_progress)

        # What a step has done to the disk cannot be done again.
        outcome, _ = stall.run(self.results, f"stock/{chapter.name}", wanted, boot,
                               lambda outcome: not outcome.steps)
        say(f"  {chapter.name}: {outcome.seconds:.0f} s, of them "
            + ", ".join(f"{step.name.rpartition('/')[2]} {step.seconds:.0f}" for step in outcome.steps))
        return self._tests(chapter, outcome, disk, [name for name, _ in steps]), outcome.error

    def _tests(self, chapter: Chapter, outcome, disk: Disk, names: list) -> list:
        """Returns what the steps of a chapter showed, and what the disk is like after it."""
        suite = f"stock/{chapter.name}"
        lists = [step for step in outcome.steps if step.name == f"{suite}/inventory"]
        rest = dataclasses.replace(outcome, steps=[step for step in outcome.steps if step not in lists])
        tests = selftest._collect(rest, [name for name in names if name != f"{suite}/inventory"])
        for test in tests:
            if test.suite in SELFTESTS:
                test.suite += _IN_STORY
        for step in lists:
            self.inventories[chapter.name] = step.lines
            for other, kinds in chapter.like.items():
                tests.append(compare(suite, other, kinds, self.inventories.get(other), step.lines))
        if not outcome.error:
            tests.append(Test.judged(suite, "the machine switches itself off with a clean file system",
                                     "" if disk.is_clean() else f"Log: {outcome.rundir}"))
            tests.append(Test.judged(suite, "fsck finds nothing to repair", disk.check()))
        return tests


def is_of_story(test: Test) -> bool:
    """Returns whether a test of out/test.json is one of the story."""
    return test.suite.startswith("stock/") or test.suite.endswith(_IN_STORY)


def _copy(source: Path, dest: Path, log: Path) -> None:
    run_logged(["cp", "--sparse=always", "--reflink=auto", source, dest], log, f"copy of {source.name}")


def _progress(step: str, text: str) -> None:
    if os.environ.get("V"):
        print(f"    {step}| {text}", flush=True)
    elif text.startswith("not ok"):
        say(f"  {step}: {text}")


def package(given: str) -> Path:
    """Returns the package to test: the one that is given, or the newest in out/deb. Raises `Failure` if there is
    none."""
    if given:
        path = Path(given).resolve()
        if not path.is_file():
            raise Failure(f"{given}: no such file")
        return path
    found = sorted((OUT / "deb").glob("rust-virtio-dkms_*.deb"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise Failure("there is no package in out/deb: make deb, or name one with --deb")
    return found[-1]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("-t", dest="pattern", default=os.environ.get("T", ""),
                        help="which chapters, and those that they come after (also T=): "
                        + ", ".join(chapter.name for chapter in CHAPTERS))
    parser.add_argument("--deb", default="", help="the package (default: the newest in out/deb)")
    parser.add_argument("--keep", action="store_true", default=bool(os.environ.get("KEEP")),
                        help="keep the disks (also KEEP=1)")


def run(results: Results, pattern: str = "", deb: str = "", keep: bool = False) -> None:
    """Runs the story, or the chapters of it that match a pattern."""
    chapters = selection(pattern)
    # The beginning needs none.
    file = package(deb) if any(chapter.image != "fresh" for chapter in chapters) else None
    for tool in ("debugfs", "e2fsck", "mke2fs"):
        program(tool, "e2fsprogs")
    (OUT / "run").mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="stock-disks-", dir=OUT / "run"))
    say(f"The story of the package in {len(chapters)} boots: " + ", ".join(chapter.name for chapter in chapters))
    try:
        Story(results, file, chapters, place).run()
    finally:
        if keep:
            say(f"Disks: {place}")
        else:
            shutil.rmtree(place, ignore_errors=True)


def main(args) -> int:
    """Runs the story and prints the summary; its tests are in the results of `make test` as well."""
    results = Results("test-stock")
    run(results, args.pattern, args.deb, args.keep)
    results.merge_into("test")
    return results.finish()
