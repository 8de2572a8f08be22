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
REFUSED = "the device refuses <in_order> with an IOMMU"
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


@pytest.mark.parametrize("sections, part", [
    # A stack that nobody knew is in all of them.
    ("summary cost events throughput classic matrix memory", "zig lockfree"),
    # Ring code alone is held against its own baseline.
    *(("host", part) for part in ("rust-ring", "c-virtio_ring", "virtio-drivers", "-50 %", "ring-add3-get-packed")),
    ("summary", "ns/op: rust-ring is better than c-virtio_ring in 2, worse in 0 of 2 (-50 %)"),
    ("summary", "virtio-drivers is better than c-virtio_ring in 0, worse in 2 of 2 (+40 %)"),
    # Cells are escaped.
    ("about", "Some CPU <fast>"), ("missing", "no <sockperf> & \"friends\" on this machine"), ("cost", "queue_rq<T>"),
    # A cell that could not run has its reason.
    ("matrix missing", REFUSED), ("summary", "throughput: the guest died half-way"),
    # Published figures are called so.
    *(("classic", part) for part in ("33,783", "virtio-net (published, real KVM)", "10.3 of e1000"))])
def test_parts_of_the_page(read, sections, part):
    assert [section for section in sections.split() if part not in read.sections[section]] == []


def test_what_is_not_on_the_page_and_what_is_on_hover(read):
    for anchor in ("cost", "matrix", "throughput"):
        assert "rust-ring" not in read.sections[anchor], anchor
    # The emulated card is no rival and no configuration.
    assert "Where e1000 is better" not in read.sections["summary"]
    assert "classic" not in read.sections["matrix"]
    assert REFUSED in read.titles
    assert re.search(r"<text[^>]*>[^<]*too wide to call</text>", read.text), "charts have text as text"
    assert "zig" not in page.text(sample.report())


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


def test_no_two_have_one_colour():
    report = sample.report()
    report.about["stacks"] = [sample.STACKS[0], {**sample.STACKS[1], "color": sample.STACKS[0]["color"]}]
    people = Model(report).subjects
    assert len({who.color for who in people}) == len(people)


def test_per_megabyte_is_compared_and_per_second_is_not():
    model = Model(sample.report())
    found = [case for ones in summary.findings(model, model.subjects[1]).values() for case, _ in ones]
    assert {case.unit for case in found if case.workload.startswith("classic")} == {"exits/MB", "Mb/s"}


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
        samples = [value * (1 + noise * (i / (rounds - 1) - 0.5)) for i in range(rounds)] if rounds > 1 else [value]
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


@pytest.fixture
def old() -> results.Report:
    return sample.report()


@pytest.fixture
def new() -> results.Report:
    """Returns a report of the same figures."""
    return sample.report()


def flagged(new, old) -> list:
    """Returns the metrics of the results that are reported as changed."""
    return [one.result.metric for one in compare.changes(new, old)[0] if one.flagged]


def times(factor: float, **fields):
    """Returns a change of a result that is a count."""
    return lambda result: {"value": result.value * factor, **fields}


def ratio_from(low: float):
    """Returns a change of a result that has a ratio: another interval of it."""
    return lambda result: {"ratio": dict(result.ratio, low=low, value=low * 1.1, high=low * 1.2)}


@pytest.mark.parametrize("metric, change, verdict", [
    ("instr_driver_ring", times(1), ""), ("instr_driver_ring", times(1.004), ""),
    ("instr_driver_ring", times(1.006), r"\+0\.6 %\s+worse"), ("instr_driver_ring", times(1.006, spread=0.01), ""),
    # Ratios whose intervals overlap, and those whose intervals do not.
    ("throughput", lambda result: {"ratio": dict(result.ratio, low=result.ratio["low"] - 0.01, value=0.9)}, ""),
    ("throughput", ratio_from(0.5), " worse"), ("throughput", ratio_from(1.5), " better"),
    ("latency_p50", ratio_from(0.1), " better"), ("latency_p50", ratio_from(8), " worse")])
def test_one_changed_result(old, new, metric, change, verdict):
    result = next(one for one in new.results if one.metric == metric and one.driver == "rust"
                  and (one.ratio or metric == "instr_driver_ring"))
    vars(result).update(change(result))
    assert flagged(new, old) == ([metric] if verdict else [])
    assert re.search(f"(?m){verdict}$" if verdict else r"Nothing changed\.", terminal.changes(new, old))


def test_absolute_times_mean_nothing(old, new):
    for result in new.results:
        if result.metric in ("throughput", "latency_p50", "time_host"):
            result.value *= 3
    assert flagged(new, old) == []


@pytest.mark.parametrize("value, changed", [(0.008, []), (0.1, ["kicks"])])
def test_events_that_hardly_happen(old, new, value, changed):
    for report, events in ((old, 0.004), (new, value)):
        next(result for result in report.results if result.metric == "kicks").value = events
    assert flagged(new, old) == changed


def test_cells_that_came_and_went(old, new):
    gone = new.results.pop(0)
    old.results.pop()
    found, came, went, mute = compare.changes(new, old)
    assert (len(came), [result.key() for result in went]) == (1, [gone.key()])
    assert "1 are new, 1 are gone" in terminal.changes(new, old)
    measured = {result.key() for result in new.results if result.value is not None}
    assert len(found) + mute == len(measured) - 1


def test_other_versions_are_named(old, new):
    new.about["qemu"] = "QEMU emulator version 11"
    assert "Not made with the same qemu" in terminal.changes(new, old)


@pytest.mark.parametrize("text, why", [
    (None, "BASE=.*No such file"), ("{", "not a report"), ("[]", "not a report"), ('{"results": 3}', "not a report"),
    ('{"results": [1]}', "not a report"), ("{}", "not a report")])
def test_files_that_are_no_report(text, why, tmp_path):
    if text is not None:
        (tmp_path / "old.json").write_text(text)
    with pytest.raises(Failure, match=why):
        results.load(tmp_path / "old.json", "BASE=")


def test_older_and_newer_fields(old, new, write):
    data = old.as_dict()
    for result in data["results"]:
        for name in ("note", "cdf", "samples", "command", "layout"):
            result.pop(name, None)
        result["colour of the machine"] = "beige"
        result["parts"] = result.pop("breakdown")
    data["cells"] = data.pop("results")
    del data["about"], data["problems"]
    read = results.load(write("old.json", json.dumps(data)))
    assert [one.breakdown for one in read.results] == [one.breakdown for one in old.results]
    assert "Since the older report" in terminal.changes(new, read)


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
