# SPDX-License-Identifier: GPL-2.0
"""Tests that the benchmark's report says what its results say, whoever they are of."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import bench_sample as sample
import pytest

from bench import ratio, results
from bench.report import charts, compare, page, summary, terminal
from bench.report.model import Model
from harness.say import Failure

ALL = (sample.C, sample.RUST, sample.OTHER)
_VOID = {"meta", "br", "link", "img", "input", "hr"}

drawn = pytest.mark.skipif(not charts.available(), reason="matplotlib is not installed for this Python")
written = pytest.mark.skipif(not page.available(), reason="Jinja2 is not installed for this Python")


class Reader(HTMLParser):
    """Reads a page strictly: every tag closed in order, every id once."""

    def __init__(self, report, base=None):
        super().__init__()
        self.text = page.text(report, base)
        self.open, self.ids, self.links, self.wrong, self.titles = [], [], [], [], []
        self.section, self.sections = "", {"": ""}
        self.feed(self.text)
        assert [*self.wrong, *self.open] == []
        assert sorted(set(self.ids)) == sorted(self.ids)

    def handle_starttag(self, tag, attrs):
        if tag not in _VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
                self.section = value if tag == "section" else self.section
                self.sections.setdefault(self.section, "")
            if name in ("href", "src", "srcset", "data", "xlink:href"):
                self.links.append(value)
            if name == "title":
                self.titles.append(value)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> out of order")

    def handle_data(self, data):
        self.sections[self.section] += data


@pytest.fixture(scope="module")
def read() -> Reader:
    """Returns the page of everything and everyone."""
    pytest.importorskip("jinja2")
    pytest.importorskip("matplotlib")
    return Reader(sample.report(ALL))


def test_refers_to_nothing_outside(read):
    assert [link for link in read.links if not link.startswith("#")] == []
    assert {link[1:] for link in read.links} <= set(read.ids)
    assert set(re.findall(r"url\(#([^)]+)\)", read.text)) <= set(read.ids)
    assert not re.search(r"(?i)https?:|@import|<script|url\((?!#)", read.text)
    assert len(read.text.encode()) < 2 << 20


def test_charts_have_text_as_text(read):
    assert re.search(r"<text[^>]*>[^<]*too wide to call</text>", read.text)


@drawn
@written
def test_another_guest_kernel_has_tables_and_charts_of_its_own():
    report = sample.report()
    usual = next(line for line in terminal.text(report).splitlines() if "blk-randread-4k-qd1 " in line)
    for result in sample.report().results:
        if result.metric in ("instr_driver_ring", "kicks", "irqs") and result.value is not None:
            result.options = {**result.options, "kernel": "debian"}
            result.value *= 2
            report.results.append(result)
    first, title, second = terminal.text(report).partition("; KERNEL=debian\n")
    second = second.partition("\n\n")[0]
    assert title and usual in first and usual not in second
    assert "blk-randread-4k-qd1 " in second
    assert "KERNEL=debian" in Reader(report).sections["cost"]


def test_a_stack_nobody_knew_is_everywhere(read):
    for anchor in ("summary", "cost", "events", "throughput", "classic", "matrix", "memory"):
        assert "zig lockfree" in read.sections[anchor], anchor
    assert "zig" not in page.text(sample.report())


def test_ring_code_alone_is_held_against_its_own_baseline(read):
    for part in ("rust-ring", "c-virtio_ring", "virtio-drivers", "-50 %", "ring-add3-get-packed"):
        assert part in read.sections["host"]
    for anchor in ("cost", "matrix", "throughput"):
        assert "rust-ring" not in read.sections[anchor], anchor
    for said in ("ns/op: rust-ring is better than c-virtio_ring in 2, worse in 0 of 2 (-50 %)",
                 "virtio-drivers is better than c-virtio_ring in 0, worse in 2 of 2 (+40 %)"):
        assert said in read.sections["summary"]


def test_no_two_have_one_colour():
    report = sample.report()
    report.about["stacks"] = [sample.STACKS[0], {**sample.STACKS[1], "color": sample.STACKS[0]["color"]}]
    people = Model(report).subjects
    assert len({who.color for who in people}) == len(people)


def test_cells_are_escaped(read):
    assert "Some CPU <fast>" in read.sections["about"]
    assert "no <sockperf> & \"friends\" on this machine" in read.sections["missing"]
    assert "queue_rq<T>" in read.sections["cost"]


def test_a_cell_that_could_not_run_has_its_reason_on_hover_and_in_text(read):
    reason = "the device refuses <in_order> with an IOMMU"
    assert reason in read.titles
    assert reason in read.sections["matrix"] and reason in read.sections["missing"]


def test_problems_are_on_the_first_screen(read):
    assert "throughput: the guest died half-way" in read.sections["summary"]


def test_published_figures_are_called_so(read):
    for part in ("33,783", "virtio-net (published, real KVM)", "10.3 of e1000"):
        assert part in read.sections["classic"]


def test_per_megabyte_is_compared_and_per_second_is_not():
    model = Model(sample.report())
    found = [case for ones in summary.findings(model, model.subjects[1]).values() for case, _ in ones]
    assert {case.unit for case in found if case.workload.startswith("classic")} == {"exits/MB", "Mb/s"}


def test_the_emulated_card_is_no_rival_and_no_configuration(read):
    assert "Where e1000 is better" not in read.sections["summary"]
    assert "classic" not in read.sections["matrix"]


@written
def test_pages_of_little():
    Reader(results.Report(Path("none"), {}))
    assert "Nothing was measured on the baseline" in Reader(sample.report((sample.RUST,))).sections["summary"]


def test_the_older_report_is_on_the_page(read):
    report = sample.report(ALL)
    base = sample.report(ALL)
    base.results[0].value *= 2
    assert "C driver, C ring: blk-randread-4k-qd1, driver and ring instructions" in \
        Reader(report, base).sections["since"]
    assert "since" not in read.sections


@written
def test_without_a_plotting_library_tables_are_there_and_the_lack_is_a_problem(tmp_path, monkeypatch):
    report = sample.report(path=tmp_path / "bench.json")
    path = tmp_path / "bench.html"
    with monkeypatch.context() as without:
        without.setattr(charts, "available", lambda: False)
        assert page.write(report) == path
        with pytest.raises(Failure, match="matplotlib"):
            charts.picture(report, tmp_path / "p.svg")
    text = path.read_text()
    assert "<svg" not in text and "blk-randread-4k-qd1" in text
    assert "matplotlib" in report.problems[-1]["why"]
    if charts.available():
        page.write(results.load(report.path))
        assert "matplotlib" not in path.read_text()


def test_without_a_template_library_there_is_no_page_but_a_problem(tmp_path, monkeypatch):
    monkeypatch.setattr(page, "available", lambda: False)
    report = sample.report(path=tmp_path / "bench.json")
    assert page.write(report) is None
    assert "Jinja2" in report.problems[-1]["why"]
    assert not (tmp_path / "bench.html").exists()


BETTER, WORSE, SAME, WIDE = ratio.FASTER, ratio.SLOWER, ratio.SAME, ratio.WIDE_SPREAD


@pytest.mark.parametrize("mine, theirs, more, verdict", [
    (1004, 1000, {}, SAME), (1006, 1000, {}, WORSE), (994, 1000, {}, BETTER),
    (1006, 1000, {"rounds": 2}, WORSE),
    # Counts that do not repeat take as many rounds as times.
    (1030, 1000, {"noise": 0.04}, WIDE), (1050, 1000, {"noise": 0.04}, WORSE),
    (950, 1000, {"noise": 0.04}, BETTER), (1050, 1000, {"noise": 0.04, "rounds": 5}, WIDE),
    (1001, 1000, {"noise": 0.04}, SAME), (1001, 1000, {"noise": 0.4}, WIDE),
    # A single count is believed only if it is of a kind that repeats.
    (1050, 1000, {"rounds": 1}, WORSE), (1050, 1000, {"metric": "instr_guest", "rounds": 1}, WIDE),
    (1001, 1000, {"metric": "instr_guest", "rounds": 1}, SAME),
    # Events that hardly happen decide nothing.
    (0.006, 0.003, {"metric": "kicks"}, SAME), (0.5, 0, {"metric": "irqs"}, WORSE),
    (0, 0, {"metric": "irqs"}, SAME),
    # Events per second depend on the speed.
    (2000, 1000, {"metric": "exits", "unit": "exits/s"}, None),
    (20, 10, {"metric": "exits", "unit": "exits/MB"}, WORSE)])
def test_verdict_on_a_count(mine, theirs, more, verdict):
    report = results.Report(Path("none"), {})
    rounds, noise = more.get("rounds", 6), more.get("noise", 0.0)
    for driver, value in (("c", theirs), ("rust", mine)):
        samples = [value * (1 + noise * (i / (rounds - 1) - 0.5)) for i in range(rounds)] \
            if rounds > 1 else [value]
        report.results.append(results.Result(
            "w", "d", driver, "c", "split", "tcg", more.get("metric", "instr_driver_ring"), value,
            more.get("unit", ""), ratio.spread(samples), samples=samples))
    model = Model(report)
    assert (model.cases[0].against(model.subjects[1]) or {}).get("verdict") == verdict


@drawn
@written
def test_it_is_said_as_loudly_whoever_wins():
    worse = Reader(sample.report((sample.C, sample.RUST))).sections["summary"]
    better = Reader(sample.report((sample.C, ("rust", "c", 0.8, 1.2)))).sections["summary"]
    wins, loses = (rf"Where {who} driver, C ring is better \((\d+)\)" for who in ("Rust", "C"))
    for text, more, none in ((worse, loses, wins), (better, wins, loses)):
        assert int(re.search(more, text).group(1)) > 10
        assert re.search(none, text).group(1) == "0"
    assert "driver and ring instructions: 1,073 against 958 (+12.0 %)" in worse
    assert "driver and ring instructions: 766 against 958 (-20 %)" in better


def test_terminal():
    lines = terminal.text(sample.report()).splitlines()
    assert max(map(len, lines)) <= terminal.WIDTH
    assert len(lines) <= 46
    for part in ("Rust driver, C ring", "1,073  +12.0 %", "e1000", "too wide to call", "module-text", "better in"):
        assert part in "\n".join(lines)
    more = terminal.text(sample.report(ALL))
    assert "zig lockfree" in more
    assert max(map(len, more.splitlines())) <= terminal.WIDTH
    assert terminal.text(results.Report(Path("none"), {})) == ""


def test_table_cuts_long_names_and_counts_the_rest():
    lines = terminal.table([["", "a"], ["x" * 200, "1"], ["y", "22"]], 2)
    assert lines[1].endswith("x~  1") and len(lines[1]) == terminal.WIDTH
    assert lines[2] == "  and 1 more on the page"


class Pair:
    """An older report and one like it."""

    def __init__(self):
        self.base, self.now = sample.report(), sample.report()

    def flagged(self) -> list:
        """Returns (metric, quotient) of what is reported as changed."""
        return [(one.result.metric, round(one.quotient, 4)) for one in compare.changes(self.now, self.base)[0]
                if one.flagged]

    @staticmethod
    def first(report, metric: str):
        """Returns the first result of a metric."""
        return next(result for result in report.results if result.metric == metric)

    def result(self, metric: str):
        """Returns a result of the new report that has a ratio."""
        return next(one for one in self.now.results if one.metric == metric and one.driver == "rust" and one.ratio)

    def text(self) -> str:
        """Returns what the terminal shows."""
        return terminal.changes(self.now, self.base)


@pytest.fixture
def pair() -> Pair:
    """Returns two reports of the same figures."""
    return Pair()


def test_the_same_twice(pair):
    assert pair.flagged() == []
    assert "Nothing changed." in pair.text()


def test_counts_beyond_half_a_percent(pair):
    result = pair.first(pair.now, "instr_driver_ring")
    before = result.value
    result.value = before * 1.004
    assert pair.flagged() == []
    result.value = before * 1.006
    assert pair.flagged() == [("instr_driver_ring", 1.006)]
    assert re.search(r"\+0\.6 %\s+worse", pair.text())
    result.spread = 0.01
    assert pair.flagged() == []


def test_absolute_times_mean_nothing(pair):
    for result in pair.now.results:
        if result.metric in ("throughput", "latency_p50", "time_host"):
            result.value *= 3
    assert pair.flagged() == []


def test_ratios_whose_intervals_do_not_overlap(pair):
    result = pair.result("throughput")
    result.ratio = dict(result.ratio, low=result.ratio["low"] - 0.01, value=0.9)
    assert pair.flagged() == []
    for metric, low, verdict in (("throughput", 0.5, "worse"), ("throughput", 1.5, "better"),
                                 ("latency_p50", 0.1, "better"), ("latency_p50", 8, "worse")):
        pair = Pair()
        result = pair.result(metric)
        result.ratio = dict(result.ratio, low=low, value=low * 1.1, high=low * 1.2)
        assert [metric for metric, _ in pair.flagged()] == [metric]
        assert re.search(f"(?m) {verdict}$", pair.text())


def test_events_that_hardly_happen(pair):
    for report, value in ((pair.base, 0.004), (pair.now, 0.008)):
        pair.first(report, "kicks").value = value
    assert pair.flagged() == []
    pair.first(pair.now, "kicks").value = 0.1
    assert [metric for metric, _ in pair.flagged()] == ["kicks"]


def test_cells_that_came_and_went(pair):
    gone = pair.now.results.pop(0)
    pair.base.results.pop()
    found, came, went, mute = compare.changes(pair.now, pair.base)
    assert (len(came), [result.key() for result in went]) == (1, [gone.key()])
    assert "1 are new, 1 are gone" in pair.text()
    measured = {result.key() for result in pair.now.results if result.value is not None}
    assert len(found) + mute == len(measured) - 1


def test_other_versions_are_named(pair):
    pair.now.about["qemu"] = "QEMU emulator version 11"
    assert "Not made with the same qemu" in pair.text()


@pytest.mark.parametrize("text, why", [
    (None, "BASE=.*No such file"), ("{", "not a report"), ("[]", "not a report"), ('{"results": 3}', "not a report"),
    ('{"results": [1]}', "not a report"), ("{}", "not a report")])
def test_files_that_are_no_report(text, why, tmp_path):
    if text is not None:
        (tmp_path / "old.json").write_text(text)
    with pytest.raises(Failure, match=why):
        results.load(tmp_path / "old.json", "BASE=")


def test_older_and_newer_fields(pair, tmp_path):
    data = pair.base.as_dict()
    for result in data["results"]:
        for name in ("note", "cdf", "samples", "command", "layout"):
            result.pop(name, None)
        result["colour of the machine"] = "beige"
        result["parts"] = result.pop("breakdown")
    data["cells"] = data.pop("results")
    del data["about"], data["problems"]
    (tmp_path / "old.json").write_text(json.dumps(data))
    read = results.load(tmp_path / "old.json")
    assert [one.breakdown for one in read.results] == [one.breakdown for one in pair.base.results]
    assert "Since the older report" in terminal.changes(pair.now, read)


@drawn
def test_picture_shows_costs_and_ratios_of_everyone(tmp_path):
    path = tmp_path / "docs" / "bench.svg"
    charts.picture(sample.report(ALL), path)
    text = path.read_text()
    for part in ("zig lockfree", "C driver, C ring", "net-icmp-echo", "+12.0 %", "2,321", "too wide to call", "7.3.4"):
        assert part in text
    assert len(text) < 200_000
    first = text
    charts.picture(sample.report(ALL), path)
    assert path.read_text() == first
    with pytest.raises(Failure, match=".svg or .png"):
        charts.picture(sample.report(), path.with_suffix(".pdf"))
    with pytest.raises(Failure, match="nothing to draw"):
        charts.picture(results.Report(path, {}), path)


def test_only_what_tells_cases_apart_is_in_a_name():
    model = Model(sample.report())
    rate, native = (next(c for c in model.of("throughput") if c.accel == accel) for accel in ("tcg", "uml"))
    assert (rate.name(), rate.unusual()) == ("blk-randread-4k-qd1", [("vcpus", "4 vcpus")])
    assert native.name() == "blk-randread-4k-qd1 (uml)"
    names = [case.name() for case in model.of("instr_driver_ring")]
    assert len(set(names)) == len(names)
    assert "net-icmp-echo (packed, indirect off, event-idx off)" in names
