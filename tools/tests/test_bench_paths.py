# SPDX-License-Identifier: GPL-2.0
"""Tests of the paths of packets, of cache lines, and of growth."""

import types

import pytest
from test_bench_cost import KALLSYMS, LAYERS, packed

import bench
from bench import cards, growth, lines, paths, phases, plugin, results, slopes, symbols
from bench.report import charts, compare, figures, page, terminal, words
from bench.report.model import Model
from bench.variants import WORKS, Variant
from harness.say import Failure

#: Two operations: the first has a line that ring and kernel touch, one of the driver, and one of the kernel alone.
OUTPUT = """\
bench-plugin 1
phase 1
user 1
op
l ffffffff81000010 w ffffffffa0001000 r
l ffffffffa0002000 w ffffffffa0001000 rw
l ffffffff81000010 rw
op
l ffffffffa0001020 r
end 1
"""


def stack(name: str = "c-c"):
    return types.SimpleNamespace(name=name, blk="virtio_blk", net="virtio_net", replaces={},
                                 modules=["virtio_blk", "virtio_net"], ring="c", driver="c")


def plan(*works, **more) -> list:
    """Returns the plan of a guest, line by line."""
    items = [phases.Item(stack(), work.device(Variant()), work, [work.count]) for work in works]
    return [line.split() for line in cards.CardBoot(None, "test", items, **more)._plan().splitlines()]


def test_a_cache_line_counts_once_for_an_operation_and_belongs_to_the_first(tmp_path):
    (tmp_path / "out").write_text(OUTPUT)
    phase = plugin.read(tmp_path / "out")[1]
    found = lines.touched(phase, symbols.Symbols(KALLSYMS), LAYERS, 2)
    read, by_read = found["lines_read"]
    written, by_written = found["lines_written"]
    assert (read, written) == (1.5, 0.5)
    assert by_read == [("virtio_ring", "virtqueue_add", 1.5)]
    assert by_written == [("virtio_blk", "queue_rq", 0.5)]


def test_parts_of_cache_lines_add_up():
    parts = [("virtio_ring", "virtqueue_add", 3.0), ("virtio_ring", "tiny", 0.01), ("virtio_ring", "small", 0.02)]
    found = lines._breakdown(parts, LAYERS)
    assert [part["function"] for part in found] == ["virtqueue_add", "(others)"]
    assert sum(part["value"] for part in found) == pytest.approx(3.03)


@pytest.mark.parametrize("work", [*WORKS.values(), *paths.PATHS.values()], ids=lambda work: work.name)
def test_whole_bursts_are_looked_at(work):
    assert lines.count(work) % work.many == 0 and work.count % work.many == 0


def test_programs_that_the_kernel_compiled_are_no_part_of_a_module(tmp_path):
    (tmp_path / "include" / "config").mkdir(parents=True)
    for name, text in (("System.map", KALLSYMS), ("modules.builtin", ""), ("modules.order", ""),
                       ("include/config/kernel.release", "7.3.4\n")):
        (tmp_path / name).write_text(text)
    line = "ffffffffa0004000 t bpf_prog_0123456789abcdef_bench\t[bpf]"
    here = "\n".join(one for one in KALLSYMS.splitlines() if "[" in one or "_text" in one)
    found = symbols.unpack([packed(here)], tmp_path, [], {line})
    assert found.find(0xffffffffa0003000)[0] == "e1000"
    assert slopes.Layers(LAYERS._bench, LAYERS._stack).layer(found.find(0xffffffffa0004010)[0]) == "kernel"


def test_packets_that_go_on_have_a_second_nic_and_are_counted_there():
    found = plan(paths.PATHS["net-forward"], paths.PATHS["net-xdp-tx"])
    assert [line[2] for line in found if line[0] == "also"] == ["04.1"]
    assert [line[3] for line in found if line[0] == "set" and line[2] == "TAP"] == ["tap2", "tap1"]
    assert [line[2] for line in found if line[0] == "use"] == ["04.0", "04.0"]


def test_bursts_are_apart_where_cache_lines_are_counted():
    fed, sent = paths.PATHS["net-xdp-drop"], paths.PATHS["net-xsk-tx"]
    assert [line[1] for line in plan(fed, sent, lines="f") if "APART" in line] == ["0"]
    assert [line for line in plan(fed, sent) if "APART" in line] == []


def test_streams_know_the_host():
    found = plan(paths.PATHS["net-tcp-in-1mb"])
    assert ["set", "0", "HOST", "198.18.3.1"] in found


def test_points_are_within_what_the_nic_has_and_each_is_one_case():
    seen = set()
    for work in growth.points():
        options, settings = dict(work.options), dict(work.settings)
        rings = [int(entries) for entries in settings.get("RINGS", "0,0").split(",")]
        assert rings[0] <= cards.MOST_ENTRIES and rings[1] <= cards.MOST_SENT
        assert settings.get("CHANNELS", 1) <= cards.MOST_QUEUES
        assert words.axis(options["over"]) != options["over"] or options["over"] == "flows"
        assert work.count % work.many == 0
        seen.add((work.name, work.options))
    assert len(seen) == len(growth.points())


def test_growth_runs_only_if_it_is_asked_for():
    assert "growth" in bench.PARTS
    assert "growth" not in bench.default(False) and "paths" in bench.default(False)
    assert bench.default(True) == list(bench.QUICK)


@pytest.fixture
def grown() -> results.Report:
    """Returns a report with two axes of a work, the points not in order, beside a usual figure."""
    report = results.Report(None, {})
    for driver, factor in (("c", 1.0), ("rust", 0.4)):
        def add(workload, value, options, driver=driver):
            report.results.append(results.Result(
                workload, "virtio-net-pci", driver, driver, "split", "tcg", "instr_driver_ring", value,
                "instructions/op", options={"queues": 1, **options}))
        add("net-udp-rx", 1000 * factor, {})
        for queues in (64, 1, 8):
            add("growth-udp-rx", (1000 + queues) * factor, {"over": "queues", "queues": queues})
        add("growth-udp-rx", 1100 * factor, {"over": "flows", "flows": 4})
    return report


def test_points_are_in_order_and_no_case_of_their_own(grown):
    model = Model(grown)
    assert [case.workload for case in model.of("instr_driver_ring")] == ["net-udp-rx"]
    assert [[case.options[case.axis] for case in cases] for cases in model.growth("instr_driver_ring")] == \
        [[1, 8, 64], [4]]
    assert model.several("instr_driver_ring") == []


def test_growth_is_on_the_terminal_and_in_changes(grown):
    text = terminal.text(grown)
    line = next(line for line in text.splitlines() if line.startswith("  growth-udp-rx, queue pairs"))
    assert line.split()[-5:] == ["1", "64", "1,001", "1,064", "1,064"]
    base = results.Report(None, {})
    base.results = [results.Result(**{**vars(one), "value": one.value * 2}) for one in grown.results]
    assert len([one for one in compare.changes(grown, base)[0] if one.flagged]) == len(grown.results)
    assert "growth-udp-rx" in terminal.changes(grown, base)


@pytest.mark.skipif(not (charts.available() and page.available()), reason="no library for charts or pages")
def test_growth_is_a_chart(grown):
    text = page.text(grown)
    assert 'aria-label="Growth of growth-udp-rx over queue pairs"' in text
    assert "growth-udp-rx: queue pairs" in text


def test_figures_for_the_documents_are_kept_and_become_tables(grown, tmp_path):
    more = [results.Result("net-udp-rx", "virtio-net-pci", driver, driver, "split", "tcg", metric, value, "",
                           options={"queues": 1})
            for driver, factor in (("c", 2), ("rust", 1))
            for metric, value in (("instr_guest", 5000 * factor), ("kicks", 0.25 * factor),
                                  ("lines_read", 30 * factor))]
    grown.results += more
    grown.about = {"time": "2026-11-21", "cpu": "some"}
    figures.keep(grown, tmp_path / "figures.json")
    found = figures.load(tmp_path / "figures.json")
    assert found["about"] == {"time": "2026-11-21"}
    assert {one["workload"] for one in found["cells"]} == {"net-udp-rx"} and len(found["points"]) == 8
    text = ("a\n\n<!-- figures: costs -->\n| old |\n|---|\n\nb\n\n<!-- figures: events -->\n\n"
            "<!-- figures: growth -->\nc\n")
    made = figures.renewed(text, found)
    assert "| net-udp-rx | 1,000 | 400 | -60 % | - | - | 10,000 | 5,000 | -50 % |\n\nb\n" in made
    assert "| net-udp-rx | 0.50, 0.25 | -, - | 60.0, 30.0 | -, - |\n" in made
    assert "| growth-udp-rx | queue pairs | 1: 1,001, 400; 8: 1,008, 403; 64: 1,064, 426 |\n" in made
    assert "old" not in made and figures.renewed(made, found) == made
    with pytest.raises(Failure, match="no table"):
        figures.renewed("<!-- figures: nothing -->\n", found)


@pytest.mark.skipif(not charts.available(), reason="matplotlib is not installed for this Python")
def test_the_picture_of_growth_says_where_it_is_from(grown, tmp_path, monkeypatch):
    source = tmp_path / "figures.json"
    figures.keep(grown, source)
    monkeypatch.setattr(figures, "stamp", lambda: "<!-- stamp -->")
    figures.draw(figures.load(source), tmp_path / "growth.svg")
    text = (tmp_path / "growth.svg").read_text()
    assert text.split("\n")[:2] == [text.split("\n")[0], "<!-- stamp -->"]
    assert "growth-udp-rx: flows" in text
    figures.draw(figures.load(source), tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_text() == text


def test_lines_read_and_lines_written_are_told_apart(grown):
    for metric, unit in lines.UNITS.items():
        grown.results.append(results.Result("net-udp-rx", "virtio-net-pci", "c", "c", "split", "tcg", metric, 7.0, unit,
                                            options={"queues": 1}))
    text = terminal.text(grown)
    assert "net-udp-rx, lines read/op" in text and "net-udp-rx, lines written/op" in text


def test_a_report_without_figures_is_none_for_the_documents(tmp_path):
    with pytest.raises(Failure, match="no figures"):
        figures.keep(results.Report(tmp_path / "none", {}), tmp_path / "figures.json")
