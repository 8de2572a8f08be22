# SPDX-License-Identifier: GPL-2.0
"""`make check`: what it finds in comments, documents and tables, and what it does without its tools."""

import contextlib
import io
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from harness.build import source
from harness.checks import check, circles, language, links, lint, names, places, ratchet
from harness.host import needs, setup
from harness.report.results import Results
from harness.say import Failure
from harness.suites import selftest


def _kinds(text: str) -> list:
    return [kind for _, kind in language.findings(text)]


class Language(unittest.TestCase):
    """What is found in a comment, and what is not."""

    def test_doc_lines_that_begin_with_an_interrogative(self):
        for line in ("/// What the driver returns.", "//! Where it is.", "    /// - How many there are.",
                     "/// The size.\n///\n/// What else there is."):
            assert _kinds(line) == ["question"], line
        for line in ("/// Whatever comes.", "/// However, no.", "// What is left is dropped.", "/// Tells what.",
                     "/// ```\n/// What()\n/// ```", "let x; // What now", "/// What's this"):
            assert "question" not in _kinds(line), line

    def test_lines_of_comments_that_are_too_long(self):
        assert _kinds("// " + 98 * "x") == ["long"]
        assert _kinds("\t/* " + 90 * "x" + " */") == ["long"]
        assert _kinds("// " + 97 * "x") == []
        # Columns, not bytes; and code is for rustfmt.
        assert _kinds("// " + 97 * "§") == []
        assert _kinds("let x = \"" + 100 * "x" + "\";") == []

    def test_safety_comments_that_only_refer(self):
        for reason in ("By the safety requirements.", "By the type invariants.", "By the type invariant.",
                       "As above.", "See above.", "C says the same.", "As in `get`.", "By the type's documentation.",
                       "By the safety requirements and the type invariant.", "By the type invariants of `SkBuff`.",
                       "By the type invariants; as in `get`.", "as promised by the caller.",
                       "C says that all this is as it should be.", "By the safety requirements of `new`."):
            assert _kinds(f"    // SAFETY: {reason}") == ["safety"], reason
        for reason in ("By the type invariants, the queue is valid.", "As above; there is room for `n` addresses.",
                       "By the safety requirements, `ptr` is writable.", "The queue is valid.",
                       "By the type invariants:\n    // the memory is mapped.",
                       "By the safety requirements of `new`, nobody\n    // else has the queue."):
            assert _kinds(f"    // SAFETY: {reason}") == [], reason

    def test_a_safety_comment_below_another_one(self):
        text = "// PERF: One load.\n// SAFETY: As above.\nunsafe { x() }\n// SAFETY: By the\n// type invariants.\n"
        assert language.findings(text) == [(2, "safety"), (4, "safety")]

    def test_first_sentences_with_only_a_pronoun(self):
        for line in ("/// It was carried out.", "/// They are on.", "/// Ends that. Waits for readers.",
                     "/// This is not needed.", "/// That takes a lock.", "/// Takes it back.", "/// Its state.",
                     "/// None is left.", "/// Does it."):
            assert _kinds(line) == ["pronoun"], line
        for line in ("/// This function ends it.", "/// That many are left.", "/// Ends the queue. It is gone.",
                     "/// This class of devices.", "/// This device's queue.", "/// Its queue, and the place of it.",
                     "/// Returns it as a number.", "// It is a plain comment.", "/// Items.\n///\n/// It has none.",
                     "/// This address is mapped.", "/// It's a trap"):
            assert _kinds(line) == [], line

    def test_who_without_a_noun(self):
        for line in ("// Left for who polls.", "// Who waits comes later.", "/// Waits: who holds it ends it.",
                     "// Kept by\n// who keeps the ring.", "/* Asks who it was. */"):
            assert _kinds(line) == ["who"], line
        for line in ("// The thread who polls.", "// Whoever polls.", "// A caller\n// who waits.",
                     "// whose lock it is"):
            assert _kinds(line) == [], line

    def test_comments_in_c(self):
        text = "/*\n * Left for who polls.\n */\nint x; /* who */\n/* By who */\n"
        assert language.findings(text) == [(2, "who"), (5, "who")]

    def test_documents(self):
        text = ("# Who reads this\n\nIt waits for\nwho holds it. Nobody knows.\n\n| cell | who is asked |\n|---|---|\n"
                "| x | no more is done meanwhile |\n\n```sh\nwait # for who, meanwhile\n```\n* `nobody:meanwhile`\n")
        self.assertEqual(language.document_findings(text),
                         [(4, "vague"), (4, "who"), (6, "who"), (8, "vague")])

    def test_documents_that_name_the_thread(self):
        for text in ("The thread that waits.\n", "A user who asks.\n", "| for | who |\n".replace("who", "whom"),
                     "It takes many more.\n", "Wait for\n\nwhole pages.\n"):
            self.assertEqual(language.document_findings(text), [], text)


class Circles(unittest.TestCase):
    """Files that import each other."""

    def _circles(self, **files):
        with tempfile.TemporaryDirectory() as top:
            folder = Path(top, "net")
            for name, text in files.items():
                path = folder / f"{name.replace('__', '/')}.rs"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            return {path.relative_to(folder).as_posix(): others for path, others in circles.findings(folder)}

    def test_a_circle_of_three(self):
        found = self._circles(a="use crate::{\n    b::{\n        self,\n        B, //\n    },\n};\n",
                              b="use crate::c::C as D;", c="pub(crate) use crate::net::a;",
                              d="use crate::{a::{A, X}, b};")
        self.assertEqual(found, {"a.rs": ["b"], "b.rs": ["c"], "c.rs": ["a"]})

    def test_no_circle(self):
        self.assertEqual(self._circles(a="use crate::b;", b="use crate::{c, NAME};",
                                       c="// use crate::a;\nuse other::a;"), {})

    def test_a_module_and_its_parts_are_one(self):
        self.assertEqual(self._circles(a="use crate::a::one::X;", a__one="use crate::a::Y;"), {})
        # A part may be below what uses it, and the module above.
        self.assertEqual(self._circles(a="use crate::b;", b="use crate::a::one::X;", a__one=""), {})
        self.assertEqual(self._circles(a="use crate::b;", b="use crate::a::two::X;", a__one=""),
                         {"a.rs": ["b"], "b.rs": ["a"]})


class Ratchet(unittest.TestCase):
    """Counts may fall, and not rise."""

    def setUp(self):
        self.file = Path(self.top, "counts.json")

    def _update(self, **now):
        ratchet.update(self.file, now, ["a", "b"])

    def test_rises_are_found_by_folder(self):
        recorded = {"a": {"x": 2}}
        assert ratchet.risen(recorded, {"a": {"x": 2}}) == []
        assert ratchet.risen(recorded, {"a": {"x": 1, "y": 1}, "b": {"x": 1}}) == [("a", "y", 0, 1), ("b", "x", 0, 1)]
        assert ratchet.fallen(recorded, {"a": {"x": 1, "y": 1}}) == 1
        assert ratchet.count([("a", "x"), ("a", "x"), ("b", "y")]) == {"a": {"x": 2}, "b": {"y": 1}}

    def test_counts_that_rise_are_not_recorded(self):
        self._update(a={"x": 2})
        self._update(a={"y": 2})
        assert ratchet.load(self.file) == {"a": {"y": 2}, "b": {}}
        with self.assertRaisesRegex(Failure, "may only fall.*: a"):
            self._update(a={"x": 3})
        # A kind with no findings is known, too.
        with self.assertRaisesRegex(Failure, "may only fall.*: b"):
            self._update(b={"x": 1})
        self._update()
        assert ratchet.load(self.file) == {"a": {}, "b": {}}

    def test_a_new_kind_may_have_findings(self):
        self._update(a={"x": 2})
        ratchet.update(self.file, {"a": {"x": 1}, "c": {"x": 9}}, ["a", "b", "c"])
        assert ratchet.total(ratchet.load(self.file), "c") == 9

    def test_a_file_that_is_damaged_is_said(self):
        self.file.write_text("{")
        with self.assertRaisesRegex(Failure, "counts.json"):
            ratchet.load(self.file)


class Links(unittest.TestCase):
    """Links in documents."""

    def setUp(self):
        (self.top / "docs").mkdir()
        (self.top / "docs" / "other.md").write_text("# One `thing`, two\n\n## Twice\n\n## Twice\n")
        self.file = self.top / "docs" / "a.md"

    def _wrong(self, text: str) -> list:
        self.file.write_text(text)
        return links.findings(self.file, self.top)

    def test_links_that_lead_somewhere(self):
        assert self._wrong(
            "# Here\n[a](other.md) ![b](other.md \"title\") [c](https://example.org/x) [d](/docs/other.md)\n"
            "[e](#here) [f](other.md#one-thing-two) [g](other.md#twice-1) [![h](other.md)](../docs)\n"
            "`[i](nowhere)`\n```\n[j](nowhere)\n```\n<img src=\"other.md\">\n\n[k]: other.md\n") == []

    def test_links_that_lead_nowhere(self):
        found = self._wrong("[a](gone.md)\n\n[b](other.md#gone)\n[c]: gone2.md\n<img src=\"gone.svg\">\n"
                            "[d](../../etc)\n[![e](gone3.svg)](gone4.md)\n")
        assert [line for line, _ in found] == [1, 3, 4, 5, 6, 7, 7]
        assert "no such heading" in found[1][1]


class Names(unittest.TestCase):
    """Tests that the tables name, in the sources."""

    def setUp(self):
        top = self.top
        (top / "blk").mkdir()
        (top / "lib").mkdir()
        (top / "blk" / "io.sh").write_text('check "B1 the disk is there" true\n'
                                           'check_eq "B2 $n: it is $(cat "$x") long" 1 1\ncheck "$name" true\n')
        (top / "lib" / "net.sh").write_text('ok "${1} a file arrives"\n')
        (top / "suite.rs").write_text("#[kunit_tests(one)]\nmod tests {\n    #[test]\n    fn works() {}\n}\n")
        for patch in (mock.patch.object(places, "SELFTESTS", top), mock.patch.object(selftest, "SELFTESTS", top),
                      mock.patch.object(places, "rust", lambda: [top / "suite.rs"])):
            self.enter(patch)
        for function in (names._kunit, names._texts, selftest._case):
            function.cache_clear()
            self.addCleanup(function.cache_clear)

    def test_names_that_a_source_has(self):
        wanted = ["blk/io:B1 the disk is there", "blk/io:B2 3: it is 4 long", "blk/io:N1 a file arrives",
                  "blk/io@pci:B1 the disk is there", "one:works"]
        assert names.missing(wanted) == []

    def test_names_that_no_source_has(self):
        wanted = ["blk/io:B1 the disk is gone", "blk/other:B1 the disk is there", "one:fails", "two:works",
                  "ring/unit:no such test at all zzz"]
        assert names.missing(wanted) == wanted


class Parts(unittest.TestCase):
    """How the parts are run."""

    def _run(self, parts: dict) -> tuple:
        printed, results = io.StringIO(), Results("check")
        with mock.patch.object(check, "PARTS", parts), mock.patch.object(setup, "bring"), \
                contextlib.redirect_stdout(printed):
            check.run(results)
        return {test.name: test.result for test in results.tests}, printed.getvalue()

    def test_all_run_also_when_one_fails(self):
        def broken():
            raise ValueError("a bug")

        def missing():
            lint._tool("", "shellcheck", "Debian: shellcheck")

        def skipped():
            raise lint.Skip("no kernel")

        result, text = self._run({"a": (lambda: (["x.rs:1: wrong"], "1 file"), "mend it"), "b": (broken, ""),
                                  "c": (missing, "advice"), "d": (skipped, ""), "e": (lambda: ([], "all"), "")})
        assert result == {"a": "fail", "b": "fail", "c": "fail", "d": "skip", "e": "pass"}
        for words in ("x.rs:1: wrong", "What to do: mend it", "ValueError: a bug",
                      "shellcheck is not installed (Debian: shellcheck)", "no kernel"):
            assert words in text
        assert "advice" not in text

    def test_tools_that_cannot_be_installed_are_said_and_the_rest_runs(self):
        with mock.patch.object(setup, "bring", side_effect=Failure("no root")), \
                mock.patch.object(check, "PARTS", {"a": (lambda: ([], ""), "")}), \
                contextlib.redirect_stdout(io.StringIO()), \
                contextlib.redirect_stderr(io.StringIO()) as warned:
            check.run(Results("check"))
        assert "no root" in warned.getvalue()

    def test_without_a_kernel_checkpatch_is_skipped_with_the_reason(self):
        with mock.patch.object(source, "cached", return_value=None), \
                mock.patch.dict("os.environ", {"KSRC": ""}), \
                self.assertRaisesRegex(lint.Skip, "make kernel"):
            lint.checkpatch()

    def test_the_packages_of_both_releases_have_the_tools(self):
        for release, compiler in ((12, "rust-web-clippy"), (13, "rust-clippy")):
            packages = [name for need in needs.check_needs(release) for name in need.packages]
            assert compiler in packages
            assert "shellcheck" in packages

    def test_a_count_that_rises_fails_with_the_places(self):
        with mock.patch.object(check, "_prose", return_value=[(places.REPO / "net" / "x.rs", 7, "who")] * 2), \
                mock.patch.object(ratchet, "load", return_value={"who": {"net": 1}}):
            found, note = check.prose()
        assert "net: 2 times, 1 at most" in found[0]
        assert found[1].strip() == "net/x.rs:7"
        assert "who 2" in note

    def test_circles_and_language_are_counted_apart(self):
        with mock.patch.object(check, "_prose", return_value=[]), \
                mock.patch.object(check, "_circles", return_value=[("net", places.REPO / "net" / "x.rs", ["y"])]), \
                mock.patch.object(ratchet, "load", return_value={"who": {"net": 1}, "circle": {"blk": 2}}):
            self.assertIn("1 fewer", check.prose()[1])
            found, _ = check.imports()
        self.assertEqual(found, ["net: 1 files that import themselves by way of others, 0 at most",
                                 "  net/x.rs: by way of y"])
