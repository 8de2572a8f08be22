# SPDX-License-Identifier: GPL-2.0
"""Tests that the benchmark's report says what its cells say, whoever they are of."""

import copy
import dataclasses
import json
import re
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path
from unittest import mock

import bench_sample as sample
from rvt.bench import cells, compare, html, judge, picture, plots, ratio, summary, table
from rvt.bench.view import View
from rvt.say import Failure

_VOID = {"meta", "br", "link", "img", "input", "hr"}


class _Reader(HTMLParser):
    """Reads a page strictly: every tag closed in order, every id once."""

    def __init__(self, page: str):
        super().__init__()
        self.open, self.ids, self.links, self.wrong, self.texts = [], [], [], [], []
        self.titles, self.sections = [], {}
        self.feed(page)
        self.wrong += [f"<{tag}> is not closed" for tag in self.open]

    def handle_starttag(self, tag, attrs):
        if tag not in _VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
                self.section = value if tag == "section" else getattr(self, "section", "")
            if name in ("href", "src", "srcset", "data"):
                self.links.append(value)
            if name == "title":
                self.titles.append(value)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> out of order")

    def handle_data(self, data):
        self.texts.append(data)
        section = getattr(self, "section", "")
        self.sections[section] = self.sections.get(section, "") + data


def scratch(test: unittest.TestCase) -> Path:
    """Returns a directory that lasts as long as a test."""
    made = tempfile.TemporaryDirectory()
    test.addCleanup(made.cleanup)
    return Path(made.name)


def page(report, base=None) -> _Reader:
    """Returns the page of a report, read."""
    return _Reader(html.text(report, base))


@unittest.skipUnless(plots.available(), "matplotlib is not installed for this Python")
class Page(unittest.TestCase):
    """out/bench.html."""

    @classmethod
    def setUpClass(cls):
        cls.report = sample.report((sample.C, sample.RUST, sample.OTHER))
        cls.text = html.text(cls.report)
        cls.page = _Reader(cls.text)

    def test_is_well_formed(self):
        self.assertEqual(self.page.wrong, [])
        self.assertEqual(sorted(set(self.page.ids)), sorted(self.page.ids))

    def test_refers_to_nothing_outside(self):
        self.assertEqual([link for link in self.page.links if not link.startswith("#")], [])
        missing = {link[1:] for link in self.page.links} - set(self.page.ids)
        self.assertEqual(missing, set())
        self.assertNotRegex(self.text, r"(?i)https?:|@import|<script|url\((?!#)")
        used = set(re.findall(r"url\(#([^)]+)\)", self.text))
        self.assertEqual(used - set(self.page.ids), set())
        self.assertLess(len(self.text.encode()), 2 << 20)

    def test_charts_have_text_as_text(self):
        self.assertIn("<svg", self.text)
        self.assertRegex(self.text, r"<text[^>]*>[^<]*too wide to call</text>")

    def test_another_guest_kernel_has_tables_and_charts_of_its_own(self):
        report = sample.report()
        usual = [line for line in table.text(report).splitlines() if "blk-randread-4k-qd1 " in line][0]
        for cell in sample.report().cells:
            if cell.metric in ("instr_driver_ring", "kicks", "irqs") and cell.value is not None:
                cell.options = {**cell.options, "kernel": "debian"}
                cell.value *= 2
                report.cells.append(cell)
        first, title, second = table.text(report).partition("; KERNEL=debian\n")
        self.assertTrue(title)
        self.assertIn(usual, first)
        self.assertIn("blk-randread-4k-qd1 ", second.partition("\n\n")[0])
        self.assertNotIn(usual, second.partition("\n\n")[0])
        page = _Reader(html.text(report))
        self.assertEqual(page.wrong, [])
        self.assertIn("KERNEL=debian", page.sections["cost"])

    def test_a_stack_nobody_knew_is_everywhere(self):
        for anchor in ("summary", "cost", "events", "throughput", "classic", "matrix", "memory"):
            self.assertIn("zig lockfree", self.page.sections[anchor], anchor)
        self.assertNotIn("zig", html.text(sample.report()))

    def test_ring_code_alone_is_held_against_its_own_baseline(self):
        section = self.page.sections["host"]
        for part in ("rust-ring", "c-virtio_ring", "virtio-drivers", "-50 %",
                     "ring-add3-get-packed"):
            self.assertIn(part, section)
        for anchor in ("cost", "matrix", "throughput"):
            self.assertNotIn("rust-ring", self.page.sections[anchor], anchor)
        self.assertIn("ns/op: rust-ring is better than c-virtio_ring in 2, worse in 0 of 2 (-50 %)",
                      self.page.sections["summary"])
        self.assertIn("virtio-drivers is better than c-virtio_ring in 0, worse in 2 of 2 (+40 %)",
                      self.page.sections["summary"])

    def test_long_labels_have_room_and_no_two_have_one_colour(self):
        stacks = [dict(sample.STACKS[0]), dict(sample.STACKS[1], color=sample.STACKS[0]["color"])]
        report = sample.report()
        report.about["stacks"] = stacks
        people = View(report).everyone
        self.assertEqual(len({who.color for who in people}), len(people))
        long = [dataclasses.replace(people[0], label="x" * 40)]
        self.assertGreater(plots.margin(long), plots.margin(people) + 1)

    def test_what_cells_say_is_escaped(self):
        said = "".join(self.page.texts)
        self.assertIn("Some CPU <fast>", said)
        self.assertIn("no <sockperf> & \"friends\" on this machine", said)

    def test_a_cell_that_could_not_run_says_why_on_hover_and_in_text(self):
        reason = "the device refuses <in_order> with an IOMMU"
        self.assertIn(reason, self.page.titles)
        self.assertIn(reason, self.page.sections["matrix"])
        self.assertIn(reason, self.page.sections["missing"])

    def test_problems_are_on_the_first_screen(self):
        self.assertIn("throughput: the guest died half-way", self.page.sections["summary"])

    def test_published_figures_are_called_so(self):
        self.assertIn("33,783", self.page.sections["classic"])
        self.assertIn("virtio-net (published, real KVM)", self.page.sections["classic"])
        self.assertIn("10.3 of e1000", self.page.sections["classic"])

    def test_what_is_per_megabyte_is_compared_and_what_is_per_second_is_not(self):
        found = summary.findings(View(self.report), View(self.report).everyone[1])
        units = {one.case.unit for one in found if one.case.workload.startswith("classic")}
        self.assertEqual(units, {"exits/MB", "Mb/s"})

    def test_the_emulated_card_is_no_rival_and_no_configuration(self):
        self.assertNotIn("Where e1000 is better", self.page.sections["summary"])
        self.assertNotIn("classic", self.page.sections["matrix"])

    def test_a_function_of_a_generic_type_is_shown_as_it_is(self):
        self.assertIn("queue_rq<T>", self.page.sections["cost"])

    def test_an_empty_report_makes_a_page(self):
        self.assertEqual(page(cells.Report(Path("none"), {})).wrong, [])

    def test_a_report_without_the_baseline_makes_a_page(self):
        found = page(sample.report((sample.RUST,)))
        self.assertEqual(found.wrong, [])
        self.assertIn("Nothing was measured on the baseline", found.sections["summary"])

    def test_the_older_report_is_on_the_page(self):
        base = copy.deepcopy(self.report)
        base.cells[0].value *= 2
        self.assertIn("C driver, C ring: blk-randread-4k-qd1, driver and ring instructions",
                      page(self.report, base).sections["since"])
        self.assertNotIn("since", self.page.sections)


class Without(unittest.TestCase):
    """No plotting library."""

    def test_tables_are_there_and_the_lack_is_a_problem(self):
        report = sample.report(path=scratch(self) / "bench.json")
        path = report.path.with_suffix(".html")
        with mock.patch.object(plots, "available", return_value=False):
            html.write(report, path)
        text = path.read_text()
        self.assertNotIn("<svg", text)
        self.assertIn("blk-randread-4k-qd1", text)
        self.assertIn("matplotlib", report.problems[-1]["why"])
        if plots.available():
            html.write(cells.load(report.path), path)
            self.assertNotIn("matplotlib", path.read_text())

    def test_a_picture_is_refused(self):
        with mock.patch.object(plots, "available", return_value=False):
            with self.assertRaisesRegex(Failure, "matplotlib"):
                picture.write(sample.report(), scratch(self) / "p.svg")


class Verdicts(unittest.TestCase):
    """Who is better."""

    def verdict(self, mine: float, theirs: float, metric: str = "instr_driver_ring",
                unit: str = "", noise: float = 0.0, rounds: int = 6) -> str:
        """Returns the verdict on a count beside the baseline's, with repeats that far apart."""
        report = cells.Report(Path("none"), {})
        for driver, value in (("c", theirs), ("rust", mine)):
            samples = [value * (1 + noise * (i / (rounds - 1) - 0.5)) for i in range(rounds)] \
                if rounds > 1 else [value]
            report.cells.append(cells.Cell("w", "d", driver, "c", "split", "tcg", metric, value,
                                           unit, ratio.spread(samples), samples=samples))
        view = View(report)
        found = judge.judge(view.cases[0], view.everyone[1])
        return found.verdict if found else None

    def test_counts(self):
        self.assertEqual(self.verdict(1004, 1000), ratio.SAME)
        self.assertEqual(self.verdict(1006, 1000), ratio.SLOWER)
        self.assertEqual(self.verdict(994, 1000), ratio.FASTER)
        self.assertEqual(self.verdict(1006, 1000, rounds=2), ratio.SLOWER)

    def test_counts_that_do_not_repeat_take_as_many_rounds_as_times(self):
        self.assertEqual(self.verdict(1030, 1000, noise=0.04), ratio.WIDE_SPREAD)
        self.assertEqual(self.verdict(1050, 1000, noise=0.04), ratio.SLOWER)
        self.assertEqual(self.verdict(950, 1000, noise=0.04), ratio.FASTER)
        self.assertEqual(self.verdict(1050, 1000, noise=0.04, rounds=5), ratio.WIDE_SPREAD)
        self.assertEqual(self.verdict(1001, 1000, noise=0.04), ratio.SAME)
        self.assertEqual(self.verdict(1001, 1000, noise=0.4), ratio.WIDE_SPREAD)

    def test_a_single_count_is_believed_only_where_it_repeats(self):
        self.assertEqual(self.verdict(1050, 1000, rounds=1), ratio.SLOWER)
        self.assertEqual(self.verdict(1050, 1000, "instr_guest", rounds=1), ratio.WIDE_SPREAD)
        self.assertEqual(self.verdict(1001, 1000, "instr_guest", rounds=1), ratio.SAME)

    def test_events_that_hardly_happen_decide_nothing(self):
        self.assertEqual(self.verdict(0.006, 0.003, "kicks"), ratio.SAME)
        self.assertEqual(self.verdict(0.5, 0, "irqs"), ratio.SLOWER)
        self.assertEqual(self.verdict(0, 0, "irqs"), ratio.SAME)

    def test_events_per_second_depend_on_the_speed(self):
        self.assertIsNone(self.verdict(2000, 1000, "exits", "exits/s"))
        self.assertEqual(self.verdict(20, 10, "exits", "exits/MB"), ratio.SLOWER)

    @unittest.skipUnless(plots.available(), "matplotlib is not installed for this Python")
    def test_it_is_said_as_loudly_whoever_wins(self):
        worse = page(sample.report((sample.C, sample.RUST))).sections["summary"]
        better = page(sample.report((sample.C, ("rust", "c", 0.8, 1.2)))).sections["summary"]
        wins = r"Where Rust driver, C ring is better \((\d+)\)"
        loses = r"Where C driver, C ring is better \((\d+)\)"
        self.assertEqual(re.search(wins, worse).group(1), "0")
        self.assertGreater(int(re.search(loses, worse).group(1)), 10)
        self.assertGreater(int(re.search(wins, better).group(1)), 10)
        self.assertEqual(re.search(loses, better).group(1), "0")
        self.assertIn("executes more instructions for blk-randread-4k-qd1 (+12.0 %)", worse)
        self.assertIn("executes fewer instructions for blk-randread-4k-qd1 (-20 %)", better)


class Terminal(unittest.TestCase):
    """The short table."""

    def test_is_short_and_has_everyone(self):
        lines = table.text(sample.report()).splitlines()
        self.assertLessEqual(max(map(len, lines)), table.WIDTH)
        self.assertLessEqual(len(lines), 46)
        text = "\n".join(lines)
        for part in ("Rust driver, C ring", "1,073  +12.0 %", "e1000", "too wide to call",
                     "module-text", "better in"):
            self.assertIn(part, text)

    def test_takes_more_stacks(self):
        text = table.text(sample.report((sample.C, sample.RUST, sample.OTHER)))
        self.assertIn("zig lockfree", text)
        self.assertLessEqual(max(map(len, text.splitlines())), table.WIDTH)

    def test_of_nothing_is_nothing(self):
        self.assertEqual(table.text(cells.Report(Path("none"), {})), "")


class Compare(unittest.TestCase):
    """BASE=."""

    def setUp(self):
        self.base, self.now = sample.report(), sample.report()
        self.path = scratch(self) / "old.json"

    def flagged(self) -> list:
        """Returns (metric, quotient) of what is reported as changed."""
        found, _, _, _ = compare.changes(self.now, self.base)
        return [(one.cell.metric, round(one.quotient, 4)) for one in found if one.flagged]

    def cell(self, metric: str, driver: str = "rust"):
        """Returns a cell of the new report."""
        return next(cell for cell in self.now.cells
                    if cell.metric == metric and cell.driver == driver and cell.ratio)

    def test_the_same_twice(self):
        self.assertEqual(self.flagged(), [])
        self.assertIn("Nothing changed.", compare.text(self.now, self.base))

    def test_counts_beyond_half_a_percent(self):
        cell = self.now.find(metric="instr_driver_ring")[0]
        before = cell.value
        cell.value = before * 1.004
        self.assertEqual(self.flagged(), [])
        cell.value = before * 1.006
        self.assertEqual(self.flagged(), [("instr_driver_ring", 1.006)])
        self.assertRegex(compare.text(self.now, self.base), r"\+0\.6 %\s+worse")
        cell.spread = 0.01
        self.assertEqual(self.flagged(), [])

    def test_absolute_times_mean_nothing(self):
        for cell in self.now.cells:
            if cell.metric in ("throughput", "latency_p50", "time_host"):
                cell.value *= 3
        self.assertEqual(self.flagged(), [])

    def test_ratios_whose_intervals_do_not_overlap(self):
        cell = self.cell("throughput")
        cell.ratio = dict(cell.ratio, low=cell.ratio["low"] - 0.01, value=0.9)
        self.assertEqual(self.flagged(), [])
        cell.ratio = dict(cell.ratio, low=0.5, value=0.55, high=0.6)
        self.assertEqual([metric for metric, _ in self.flagged()], ["throughput"])
        self.assertIn("worse", compare.text(self.now, self.base))
        cell.ratio = dict(cell.ratio, low=1.5, value=1.55, high=1.6)
        self.assertRegex(compare.text(self.now, self.base), r"(?m) better$")

    def test_more_latency_is_worse(self):
        cell = self.cell("latency_p50")
        for low, text in ((0.1, "better"), (8, "worse")):
            cell.ratio = dict(cell.ratio, low=low, value=low, high=low)
            self.assertRegex(compare.text(self.now, self.base), f"(?m) {text}$")

    def test_events_that_hardly_happen(self):
        for report, value in ((self.base, 0.004), (self.now, 0.008)):
            report.find(metric="kicks")[0].value = value
        self.assertEqual(self.flagged(), [])
        self.now.find(metric="kicks")[0].value = 0.1
        self.assertEqual([metric for metric, _ in self.flagged()], ["kicks"])

    def test_cells_that_came_and_went(self):
        gone = self.now.cells.pop(0)
        self.base.cells.pop()
        found, came, went, _ = compare.changes(self.now, self.base)
        self.assertEqual((len(came), [cell.key() for cell in went]), (1, [gone.key()]))
        self.assertIn("1 are new, 1 are gone", compare.text(self.now, self.base))
        self.assertEqual(len(found), len({cell.key() for cell in self.now.cells
                                          if cell.value is not None}) - 1
                         - compare.changes(self.now, self.base)[3])

    def test_other_versions_are_named(self):
        self.now.about["qemu"] = "QEMU emulator version 11"
        self.assertIn("Not made with the same qemu", compare.text(self.now, self.base))

    def test_files_that_are_no_report(self):
        with self.assertRaisesRegex(Failure, "BASE=.*No such file"):
            compare.read(str(self.path))
        for text, why in (("{", "not a JSON file"), ("[]", "no list of cells"),
                          ('{"cells": 3}', "no list of cells"), ('{"cells": [1]}', "no list")):
            self.path.write_text(text)
            with self.assertRaisesRegex(Failure, why):
                compare.read(str(self.path))
        with self.assertRaisesRegex(Failure, "Is a directory"):
            compare.read(str(self.path.parent))

    def test_older_and_newer_fields(self):
        data = self.base.as_dict()
        for cell in data["cells"]:
            for name in ("note", "cdf", "samples", "command", "layout"):
                cell.pop(name, None)
            cell["colour of the machine"] = "beige"
        del data["about"], data["problems"]
        self.path.write_text(json.dumps(data))
        read = compare.read(str(self.path))
        self.assertEqual(len(read.cells), len(self.base.cells))
        self.assertIn("Since the older report", compare.text(self.now, read))


@unittest.skipUnless(plots.available(), "matplotlib is not installed for this Python")
class Picture(unittest.TestCase):
    """The picture of the README."""

    def setUp(self):
        self.path = scratch(self) / "docs" / "bench.svg"

    def test_shows_costs_and_ratios_of_everyone(self):
        picture.write(sample.report((sample.C, sample.RUST, sample.OTHER)), self.path)
        text = self.path.read_text()
        for part in ("zig lockfree", "C driver, C ring", "net-icmp-echo", "+12.0 %", "2,321",
                     "too wide to call", "7.3.4"):
            self.assertIn(part, text)
        self.assertLess(len(text), 200_000)

    def test_refuses_what_it_cannot_do(self):
        with self.assertRaisesRegex(Failure, ".svg or .png"):
            picture.write(sample.report(), self.path.with_suffix(".pdf"))
        with self.assertRaisesRegex(Failure, "nothing to draw"):
            picture.write(cells.Report(self.path, {}), self.path)


class Options(unittest.TestCase):
    """How cases are named."""

    def test_only_what_tells_cases_apart_is_in_a_name(self):
        view = View(sample.report())
        rate = next(c for c in view.of("throughput") if c.accel == "tcg")
        self.assertEqual((rate.name(), rate.setting()), ("blk-randread-4k-qd1", "4 vcpus"))
        native = next(c for c in view.of("throughput") if c.accel == "uml")
        self.assertEqual(native.name(), "blk-randread-4k-qd1 (uml)")
        names = [case.name() for case in view.of("instr_driver_ring")]
        self.assertEqual(len(set(names)), len(names))
        self.assertIn("net-icmp-echo (packed, indirect off, event-idx off)", names)


if __name__ == "__main__":
    unittest.main()
