# SPDX-License-Identifier: GPL-2.0
"""`make check`: what it finds in comments, documents and tables, and what it does without its tools."""

import argparse

import pytest

from harness.build import source
from harness.checks import check, circles, language, links, lint, names, places, ratchet
from harness.host import needs, setup
from harness.report.results import Results
from harness.say import Failure
from harness.suites import selftest


@pytest.mark.parametrize("kind, text", [
    ("question", line) for line in (
        "/// What the driver returns.", "//! Where it is.", "    /// - How many there are.",
        "/// The size.\n///\n/// What else there is.")
] + [
    # Columns, not bytes; and code is for rustfmt.
    ("long", "// " + 98 * "x"), ("long", "\t/* " + 90 * "x" + " */"), ("", "// " + 97 * "x"), ("", "// " + 97 * "§"),
    ("", "let x = \"" + 100 * "x" + "\";"),
] + [
    ("safety", f"    // SAFETY: {reason}") for reason in (
        "By the safety requirements.", "By the type invariants.", "By the type invariant.", "As above.", "See above.",
        "C says the same.", "As in `get`.", "By the type's documentation.",
        "By the safety requirements and the type invariant.", "By the type invariants of `SkBuff`.",
        "By the type invariants; as in `get`.", "as promised by the caller.",
        "C says that all this is as it should be.", "By the safety requirements of `new`.")
] + [
    ("", f"    // SAFETY: {reason}") for reason in (
        "By the type invariants, the queue is valid.", "As above; there is room for `n` addresses.",
        "By the safety requirements, `ptr` is writable.", "The queue is valid.",
        "By the type invariants:\n    // the memory is mapped.",
        "By the safety requirements of `new`, no other\n    // thread has the queue.")
] + [
    ("pronoun", line) for line in (
        "/// It was carried out.", "/// They are on.", "/// Ends that. Waits for readers.",
        "/// This is not needed.", "/// That takes a lock.", "/// Takes it back.", "/// Its state.",
        "/// None is left.", "/// Does it.")
] + [
    ("", line) for line in (
        "/// This function ends it.", "/// That many are left.", "/// Ends the queue. It is gone.",
        "/// This class of devices.", "/// This device's queue.", "/// Its queue, and the place of it.",
        "/// Returns it as a number.", "// It is a plain comment.", "/// Items.\n///\n/// It has none.",
        "/// This address is mapped.", "/// It's a trap")
] + [
    ("who", line) for line in (
        "// Left for who polls.", "// Who waits comes later.", "/// Waits: who holds it ends it.",
        "// Kept by\n// who keeps the ring.", "/* Asks who it was. */")
] + [
    ("", line) for line in (
        "// The thread who polls.", "// Whoever polls.", "// A caller\n// who waits.", "// whose lock it is")
] + [
    ("vague", line) for line in (
        "// Nobody knows.", "/// Adds for somebody.", "// It waits, meanwhile.", "/* Not any more. */",
        "// No one waits.", "//! The first.\n//! Not used any\n// anymore.")
] + [
    ("", line) for line in (
        "// Calls `nobody`.", "/// ```\n/// meanwhile();\n/// ```", "let x; // nobody", "// Many more.",
        "f(\"nobody\");")
])
def test_comments(kind, text):
    assert [found for _, found in language.findings(text)] == ([kind] if kind else [])


@pytest.mark.parametrize("line", [
    "/// Whatever comes.", "/// However, no.", "// What is left is dropped.", "/// Tells what.",
    "/// ```\n/// What()\n/// ```", "let x; // What now", "/// What's this"])
def test_lines_that_are_no_question(line):
    assert "question" not in [kind for _, kind in language.findings(line)]


@pytest.mark.parametrize("text, found", [
    ("// PERF: One load.\n// SAFETY: As above.\nunsafe { x() }\n// SAFETY: By the\n// type invariants.\n",
     [(2, "safety"), (4, "safety")]),
    ("/*\n * Left for who polls.\n */\nint x; /* who */\n/* By who */\n", [(2, "who"), (5, "who")])], ids=["Rust", "C"])
def test_places_of_findings(text, found):
    assert language.findings(text) == found


@pytest.mark.parametrize("text, found", [
    ("# Who reads this\n\nIt waits for\nwho holds it. Nobody knows.\n\n| cell | who is asked |\n|---|---|\n"
     "| x | no more is done meanwhile |\n\n```sh\nwait # for who, meanwhile\n```\n* `nobody:meanwhile`\n",
     [(4, "vague"), (4, "who"), (6, "who"), (8, "vague")]),
    *((text, []) for text in ("The thread that waits.\n", "A user who asks.\n", "| for | whom |\n",
                              "It takes many more.\n", "Wait for\n\nwhole pages.\n"))])
def test_documents(text, found):
    assert language.document_findings(text) == found


@pytest.mark.parametrize("files, found", [
    ({"a": "use crate::{\n    b::{\n        self,\n        B, //\n    },\n};\n", "b": "use crate::c::C as D;",
      "c": "pub(crate) use crate::net::a;", "d": "use crate::{a::{A, X}, b};"},
     {"a.rs": ["b"], "b.rs": ["c"], "c.rs": ["a"]}),
    ({"a": "use crate::b;", "b": "use crate::{c, NAME};", "c": "// use crate::a;\nuse other::a;"}, {}),
    # A module and its parts are one. A part may be below what uses it, and the module above.
    ({"a": "use crate::a::one::X;", "a/one": "use crate::a::Y;"}, {}),
    ({"a": "use crate::b;", "b": "use crate::a::one::X;", "a/one": ""}, {}),
    ({"a": "use crate::b;", "b": "use crate::a::two::X;", "a/one": ""}, {"a.rs": ["b"], "b.rs": ["a"]})])
def test_files_that_import_each_other(files, found, tmp_path, write):
    for name, text in files.items():
        write(f"net/{name}.rs", text)
    folder = tmp_path / "net"
    assert {path.relative_to(folder).as_posix(): others for path, others in circles.findings(folder)} == found


def test_rises_are_found_by_folder():
    recorded = {"a": {"x": 2}}
    assert ratchet.risen(recorded, {"a": {"x": 2}}) == []
    assert ratchet.risen(recorded, {"a": {"x": 1, "y": 1}, "b": {"x": 1}}) == [("a", "y", 0, 1), ("b", "x", 0, 1)]
    assert ratchet.fallen(recorded, {"a": {"x": 1, "y": 1}}) == 1
    assert ratchet.count([("a", "x"), ("a", "x"), ("b", "y")]) == {"a": {"x": 2}, "b": {"y": 1}}


def test_counts_that_rise_are_not_recorded(tmp_path):
    file = tmp_path / "counts.json"
    ratchet.update(file, {"a": {"x": 2}}, ["a", "b"])
    ratchet.update(file, {"a": {"y": 2}}, ["a", "b"])
    assert ratchet.load(file) == {"a": {"y": 2}, "b": {}}
    # A kind with no findings is known, too.
    for kind, rising in (("a", {"x": 3}), ("b", {"x": 1})):
        with pytest.raises(Failure, match=f"may only fall.*: {kind}"):
            ratchet.update(file, {kind: rising}, ["a", "b"])
    ratchet.update(file, {}, ["a", "b"])
    assert ratchet.load(file) == {"a": {}, "b": {}}


def test_a_new_kind_may_have_findings(tmp_path):
    file = tmp_path / "counts.json"
    ratchet.update(file, {"a": {"x": 2}}, ["a", "b"])
    ratchet.update(file, {"a": {"x": 1}, "c": {"x": 9}}, ["a", "b", "c"])
    assert ratchet.total(ratchet.load(file), "c") == 9


def test_a_file_that_is_damaged_is_said(write):
    with pytest.raises(Failure, match="counts.json"):
        ratchet.load(write("counts.json", "{"))


@pytest.mark.parametrize("text, lines", [
    ("# Here\n[a](other.md) ![b](other.md \"title\") [c](https://example.org/x) [d](/docs/other.md)\n"
     "[e](#here) [f](other.md#one-thing-two) [g](other.md#twice-1) [![h](other.md)](../docs)\n"
     "`[i](nowhere)`\n```\n[j](nowhere)\n```\n<img src=\"other.md\">\n\n[k]: other.md\n", []),
    ("[a](gone.md)\n\n[b](other.md#gone)\n[c]: gone2.md\n<img src=\"gone.svg\">\n[d](../../etc)\n"
     "[![e](gone3.svg)](gone4.md)\n", [1, 3, 4, 5, 6, 7, 7])], ids=["right", "wrong"])
def test_links(text, lines, tmp_path, write):
    write("docs/other.md", "# One `thing`, two\n\n## Twice\n\n## Twice\n")
    found = links.findings(write("docs/a.md", text), tmp_path)
    assert [line for line, _ in found] == lines
    assert not found or "no such heading" in found[1][1]


@pytest.fixture
def no_caches():
    """Forgets before and after a test what is known of the sources."""
    caches = (names._kunit, names._texts, selftest._case)
    for function in caches:
        function.cache_clear()
    yield
    for function in caches:
        function.cache_clear()


@pytest.mark.parametrize("there, wanted", [
    (True, ["blk/io:B1 the disk is there", "blk/io:B2 3: it is 4 long", "blk/io:N1 a file arrives",
            "blk/io@pci:B1 the disk is there", "one:works"]),
    (False, ["blk/io:B1 the disk is gone", "blk/other:B1 the disk is there", "one:fails", "two:works",
             "ring/unit:no such test at all zzz"])])
def test_names_of_tests_in_the_sources(there, wanted, tmp_path, write, monkeypatch, no_caches):
    write("blk/io.sh", 'check "B1 the disk is there" true\ncheck_eq "B2 $n: it is $(cat "$x") long" 1 1\n'
          'check "$name" true\n')
    write("lib/net.sh", 'ok "${1} a file arrives"\n')
    suite = write("suite.rs", "#[kunit_tests(one)]\nmod tests {\n    #[test]\n    fn works() {}\n}\n")
    monkeypatch.setattr(places, "SELFTESTS", tmp_path)
    monkeypatch.setattr(selftest, "SELFTESTS", tmp_path)
    monkeypatch.setattr(places, "rust", lambda: [suite])
    assert names.missing(wanted) == ([] if there else wanted)


def test_all_parts_run_also_when_one_fails(monkeypatch, capsys):
    def broken():
        raise ValueError("a bug")

    def missing():
        lint._tool("", "shellcheck", "Debian: shellcheck")

    def skipped():
        raise lint.Skip("no kernel")

    results = Results("check")
    monkeypatch.setattr(setup, "bring", lambda *_: None)
    monkeypatch.setattr(check, "PARTS", {"a": (lambda: (["x.rs:1: wrong"], "1 file"), "mend it"), "b": (broken, ""),
                        "c": (missing, "advice"), "d": (skipped, ""), "e": (lambda: ([], "all"), "")})
    check.run(results)
    assert {test.name: test.result for test in results.tests} == {
        "a": "fail", "b": "fail", "c": "fail", "d": "skip", "e": "pass"}
    text = capsys.readouterr().out
    for words in ("x.rs:1: wrong", "What to do: mend it", "ValueError: a bug",
                  "shellcheck is not installed (Debian: shellcheck)", "no kernel"):
        assert words in text
    assert "advice" not in text


def test_tools_that_cannot_be_installed_are_said_and_the_rest_runs(monkeypatch, capsys):
    def bring(*_):
        raise Failure("no root")

    monkeypatch.setattr(setup, "bring", bring)
    monkeypatch.setattr(check, "PARTS", {"a": (lambda: ([], ""), "")})
    check.run(Results("check"))
    assert "no root" in capsys.readouterr().err


def test_without_a_kernel_checkpatch_is_skipped_with_the_reason(monkeypatch):
    monkeypatch.setattr(source, "cached", lambda: None)
    monkeypatch.setenv("KSRC", "")
    with pytest.raises(lint.Skip, match="make kernel"):
        lint.checkpatch()


@pytest.mark.parametrize("release, compiler", [(12, "rust-web-clippy"), (13, "rust-clippy")])
def test_the_packages_of_both_releases_have_the_tools(release, compiler):
    packages = [name for need in needs.check_needs(release) for name in need.packages]
    assert compiler in packages and "shellcheck" in packages


def test_a_count_that_rises_fails_with_the_places(monkeypatch):
    monkeypatch.setattr(check, "_prose", lambda: [(places.REPO / "net" / "x.rs", 7, "who")] * 2)
    monkeypatch.setattr(ratchet, "load", lambda _: {"who": {"net": 1}})
    found, note = check.prose()
    assert "net: 2 times, 1 at most" in found[0]
    assert found[1].strip() == "net/x.rs:7"
    assert "who 2" in note


def test_circles_and_language_are_counted_apart(monkeypatch):
    monkeypatch.setattr(check, "_prose", list)
    monkeypatch.setattr(check, "_circles", lambda: [("net", places.REPO / "net" / "x.rs", ["y"])])
    monkeypatch.setattr(ratchet, "load", lambda _: {"who": {"net": 1}, "circle": {"blk": 2}})
    assert "1 fewer" in check.prose()[1]
    assert check.imports()[0] == ["net: 1 files that import themselves by way of others, 0 at most",
                                  "  net/x.rs: by way of y"]


def test_all_findings_of_a_kind_are_listed(monkeypatch, capsys):
    monkeypatch.setattr(check, "_prose", lambda: [(places.REPO / "Makefile", 1, "who")])
    monkeypatch.setattr(check, "_circles", lambda: [("net", places.REPO / "net" / "x.rs", ["y", "z"])])
    parser = argparse.ArgumentParser()
    check.arguments(parser)
    for kind, line in (("circle", "net/x.rs: by way of y, z"), ("long", ""),
                       ("who", "Makefile:1: # SPDX-License-Identifier: GPL-2.0")):
        assert check.main(parser.parse_args(["--list", kind])) == 0
        assert capsys.readouterr().out.strip() == line
