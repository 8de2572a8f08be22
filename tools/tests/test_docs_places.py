# SPDX-License-Identifier: GPL-2.0
"""docs/life-of-a-packet.md, docs/performance.md and virtqueue/README.md: every place and name that they
give is there."""

import re
import unittest

from harness.paths import REPO
from harness.report import docs

_QUEUES = REPO / "virtqueue"
_LIFE = docs.DOCS / "life-of-a-packet.md"

#: `file:function`, `file:Type::function` or `file:macro!`.
_PLACE = re.compile(r"`([\w/]+\.rs):((?:\w+::)?\w+!?)`")


def _blocks(text: str, name: str) -> list:
    """Returns the bodies of the impl and trait blocks whose head names a type."""
    found = []
    for head in re.finditer(rf"^[ \t]*(?:pub |unsafe )*(?:impl|trait)\b[^{{;]*\b{name}\b[^{{;]*\{{", text, re.M):
        depth, at = 1, head.end()
        while depth and at < len(text):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            at += 1
        found.append(text[head.end():at])
    return found


def missing(path: str, place: str) -> str:
    """Returns what is wrong with a place, or nothing."""
    file = REPO / path
    if not file.exists():
        return "there is no such file"
    text = re.sub(r"//.*", "", file.read_text())
    if place.endswith("!"):
        return "" if re.search(rf"\bmacro_rules! {place[:-1]}\b", text) else "there is no such macro"
    *kind, function = place.split("::")
    parts = _blocks(text, kind[0]) if kind else [text]
    if not parts:
        return f"{kind[0]} has no functions"
    if not any(re.search(rf"\bfn {function}\b", part) for part in parts):
        return "there is no such function"
    return ""


class PlacesTest(unittest.TestCase):

    def test_every_function_is_in_its_file(self):
        places = _PLACE.findall(_LIFE.read_text())
        assert len(places) > 100
        wrong = [f"{path}:{place}: {why}" for path, place in places if (why := missing(path, place))]
        assert wrong == []

    def test_every_source_that_a_document_names_is_there(self):
        source = re.compile(r"`((?:net|blk|virtqueue|abstractions|samples|selftests)/[\w/]+\.(?:rs|c|h|sh|py))[`:]")
        named = {(document.name, path) for document in [*REPO.glob("*.md"), *docs.DOCS.glob("*.md")]
                 for path in source.findall(document.read_text())}
        assert len(named) > 100
        assert [(document, path) for document, path in sorted(named) if not (REPO / path).exists()] == []

    def test_nothing_that_looks_like_a_place_is_left_out(self):
        text = _LIFE.read_text()
        assert len(re.findall(r"\w\.rs\b", text)) == len(_PLACE.findall(text))

    def test_what_is_not_there_is_noticed(self):
        assert missing("net/tx.rs", "start_xmit") == ""
        assert missing("net/tx.rs", "Done::take") == ""
        for path, place in (("net/ty.rs", "start_xmit"), ("net/tx.rs", "start_xmi"),
                            ("net/tx.rs", "Xmit::start_xmit"), ("net/tx.rs", "Xmut::run"),
                            ("net/tx.rs", "start_xmit!")):
            assert missing(path, place) != "", (path, place)


class NamesTest(unittest.TestCase):

    def setUp(self):
        self.text = (_QUEUES / "README.md").read_text()

    def test_names_of_the_glossary_are_in_their_files(self):
        rows = [line.split("|")[2:4] for line in self.text.split("| C | Rust | file |")[1].splitlines()
                if line.startswith("| ")]
        assert len(rows) > 40
        for names, files in rows:
            files = re.findall(r"`([^`]+)`", files)
            names = re.findall(r"`([A-Z_a-z:]+!?)`", names.split(" (")[0])
            assert files and names, (files, names)
            for name in names:
                assert any(_is_defined(file, name) for file in files), (name, files)

    def test_every_folder_is_described(self):
        folders = {path.name for path in _QUEUES.iterdir() if path.is_dir() and any(path.rglob("*.rs"))}
        assert set(re.findall(r"^\| \[`(\w+)/`\]", self.text, re.M)) == folders
        assert set(re.findall(r"<b>(\w+)/</b>", self.text)) == folders


class TricksTest(unittest.TestCase):

    def test_tricks_are_where_they_are_said_to_be(self):
        table = (docs.DOCS / "performance.md").read_text().split("## Tricks")[1].split("\n## ")[0]
        rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")]
        places = [place for row in rows for place in re.findall(r"`([\w/.*]+)(?:: (\w+))?`", row)]
        assert len(places) > 25
        for files, name in places:
            texts = [file.read_text() for file in REPO.glob(files)]
            assert any(re.search(rf"\b{name}\b", text) for text in texts), (files, name)


def _is_defined(file: str, name: str) -> bool:
    """Whether a file in virtqueue/ defines a function, a macro or a type."""
    text = (_QUEUES / file).read_text()
    if "::" not in name and re.search(rf"\b(?:struct|enum|trait|type) {name}\b", text):
        return True
    return not missing(f"virtqueue/{file}", name)
