# SPDX-License-Identifier: GPL-2.0
"""Documents: places and names that they give are there; the picture of the layers shows the modules and crates that
Kbuild builds, and their uses of one another; pages that are made are those of their sources."""

import re
from pathlib import Path

import pytest

from bench.report import figures
from harness.paths import REPO
from harness.report import docs

#: The sources of a crate, if they are not in the folder of its root.
_FOLDERS = {
    "rust_virtio_net.rs": ["net"],
    "rust_virtio_blk.rs": ["blk"],
    "virtqueue/virtio.rs": ["virtqueue/bus", "virtqueue/queue", "virtqueue/queue.rs"],
    "virtqueue/vring/vring.rs": ["virtqueue/vring", "virtqueue/ring"],
}
_QUEUES = REPO / "virtqueue"
_README = (_QUEUES / "README.md").read_text()
_LIFE = (docs.DOCS / "life-of-a-packet.md").read_text()

#: `file:function`, `file:Type::function` or `file:macro!`.
_PLACES = re.findall(r"`([\w/]+\.rs):((?:\w+::)?\w+!?)`", _LIFE)


def _kbuild() -> set:
    """Returns (module, root of a crate) for all that Kbuild builds."""
    text = (REPO / "Kbuild").read_text().replace("\\\n", " ")
    found = set()
    for module in re.findall(r"^obj-\$\(CONFIG_\w+\)\s*\+= (\w+)\.o$", text, re.M):
        objects = re.search(rf"^{module}-y := (.*)$", text, re.M)[1]
        for path in re.findall(r"([\w/]+)\.o\b", objects):
            if (REPO / f"{path}.c").exists():
                continue
            # The root of a driver is at the top, and its object is not; that of a sample is beside it.
            roots = (f"{path}.rs", re.sub(r"^\w+/virtio_", "rust_virtio_", path) + ".rs",
                     re.sub(r"/virtio_", "/rust_virtio_", path) + ".rs")
            found.add((module, next(root for root in roots if (REPO / root).exists())))
    return found


def _sources(root: str, roots: set) -> list:
    """Returns the sources of a crate: not those of crates that are in folders of its own folder."""
    files, host = [REPO / root], REPO / "virtqueue/ring"
    others = {host / "tests", host / "fuzz"}
    for place in _FOLDERS.get(root, [str(Path(root).parent)]):
        place = REPO / place
        files += place.rglob("*.rs") if place.is_dir() else [place]
        others |= {folder for folder in ((REPO / other).parent for other in roots) if place in folder.parents}
    return [file for file in files if not others & set(file.parents)]


class Picture:
    """What the source of the picture says."""

    def __init__(self):
        self.crates, self.uses, roots, style, clusters = set(), set(), {}, "", []
        for line in docs.SOURCE.read_text().splitlines():
            line = re.sub(r"^\s*//.*", "", line)
            if line.strip().startswith("subgraph"):
                clusters.append("")
            elif line.strip() == "}":
                clusters[-1:] = []
            if (label := re.search(r'^\s*label="(\w+)\.ko"', line)) and clusters:
                clusters[-1] = label[1]
            if node := re.match(r'\s*(\w+) \[id="([^"]+)"', line):
                roots[node[1]] = node[2]
                self.crates.add((next(name for name in reversed(clusters) if name), node[2]))
            if default := re.match(r"\s*edge \[style=(\w+)\]", line):
                style = default[1]
            if (edge := re.match(r"\s*(\w+) -> (\w+)\b", line)) and style == "solid":
                self.uses.add((roots[edge[1]], roots[edge[2]]))


def test_modules_and_crates_of_the_picture_are_those_of_kbuild():
    assert Picture().crates == _kbuild()


def test_arrows_of_the_picture_are_the_uses_of_crates():
    roots = {root for _, root in _kbuild()}
    names = {Path(root).stem: root for root in roots}
    assert len(names) == len(roots)
    found = set()
    for root in roots:
        for file in _sources(root, roots):
            code = re.sub(r"^\s*//.*$", "", file.read_text(), flags=re.M)
            used = set(re.findall(r"(?<![:\w])(\w+)::", code)) & set(names)
            found |= {(root, names[name]) for name in used - {Path(root).stem}}
    assert Picture().uses == found


def test_the_picture_is_that_of_its_source():
    assert docs.stamp(docs.SOURCE) in docs.PICTURE.read_text(), "run make docs"


def test_the_page_of_parity_is_that_of_the_table():
    assert docs.PARITY.read_text() == docs.parity_page(), "run make docs"


@pytest.mark.parametrize("text, found", [
    ("R47 option (the kernel marks it (and so on))", ("R47 option", "the kernel marks it (and so on)")),
    ("F_MTU(3)", ("F_MTU(3)", ""))])
def test_a_remark_is_no_argument(text, found):
    assert docs._remark(text) == found


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
    return "" if any(re.search(rf"\bfn {function}\b", part) for part in parts) else "there is no such function"


def _is_defined(top: Path, file: str, name: str) -> bool:
    """Returns whether a file below `top` defines a function, a macro or a type."""
    if "::" not in name and re.search(rf"\b(?:struct|enum|trait|type) {name}\b", (top / file).read_text()):
        return True
    return not missing(str((top / file).relative_to(REPO)), name)


def test_every_function_of_the_life_of_a_packet_is_in_its_file():
    assert len(_PLACES) > 100
    assert [f"{path}:{place}: {why}" for path, place in _PLACES if (why := missing(path, place))] == []
    # Nothing that looks like a place is left out.
    assert len(re.findall(r"\w\.rs\b", _LIFE)) == len(_PLACES)


def test_every_source_that_a_document_names_is_there():
    source = re.compile(r"`((?:net|blk|virtqueue|abstractions|samples|selftests)/[\w/]+\.(?:rs|c|h|sh|py))[`:]")
    named = {(document.name, path) for document in [*REPO.glob("*.md"), *docs.DOCS.glob("*.md")]
             for path in source.findall(document.read_text())}
    assert len(named) > 100
    assert [(document, path) for document, path in sorted(named) if not (REPO / path).exists()] == []


@pytest.mark.parametrize("path, kind, function, there", [
    ("net/tx.rs", "", "start_xmit", True), ("net/tx.rs", "Done", "take", True), ("net/ty.rs", "", "start_xmit", False),
    ("net/tx.rs", "", "start_xmi", False), ("net/tx.rs", "Xmit", "start_xmit", False),
    ("net/tx.rs", "Xmut", "run", False), ("net/tx.rs", "", "start_xmit!", False)])
def test_a_place_that_is_not_there_is_noticed(path, kind, function, there):
    assert (missing(path, f"{kind}::{function}" if kind else function) == "") == there


@pytest.mark.parametrize("document, top", [(_QUEUES / "README.md", _QUEUES), (docs.DOCS / "glossary.md", REPO)],
                         ids=["virtqueue", "drivers"])
def test_names_of_the_glossary_are_in_their_files(document, top):
    tables = document.read_text().split("| C | Rust | file |\n|---|---|---|\n")[1:]
    rows = [row.split("|")[2:4] for table in tables for row in table.split("\n\n")[0].splitlines()]
    assert len(rows) > 40
    for names, files in rows:
        files = re.findall(r"`([^`]+)`", files)
        names = re.findall(r"`([A-Z_a-z:]+!?)`", names.split(" (")[0])
        assert files and names, (files, names)
        for name in names:
            assert any(_is_defined(top, file, name) for file in files), (name, files)


def test_names_that_are_not_there_are_noticed():
    assert _is_defined(REPO, "net/nic.rs", "Nic") and _is_defined(_QUEUES, "queue/ops.rs", "with_queue!")
    for name in ("Nics", "Nic::nothing", "nic!"):
        assert not _is_defined(REPO, "net/nic.rs", name), name


def test_every_folder_of_the_virtqueue_is_described():
    folders = {path.name for path in _QUEUES.iterdir() if path.is_dir() and any(path.rglob("*.rs"))}
    assert set(re.findall(r"^\| \[`(\w+)/`\]", _README, re.M)) == folders
    assert set(re.findall(r"<b>(\w+)/</b>", _README)) == folders


def test_tricks_are_where_they_are_said_to_be():
    table = (docs.DOCS / "performance.md").read_text().split("## Tricks")[1].split("\n## ")[0]
    rows = [line.split("|")[2] for line in table.splitlines() if line.startswith("| ")]
    places = [place for row in rows for place in re.findall(r"`([\w/.*]+)(?:: (\w+))?`", row)]
    assert len(places) > 25
    for files, name in places:
        texts = [file.read_text() for file in REPO.glob(files)]
        assert any(re.search(rf"\b{name}\b", text) for text in texts), (files, name)


def test_rows_of_hostile_md_have_a_test_by_their_name():
    rows = re.findall(r"^\| (H\d{3}) \|.*\| (yes|partial|no|n/a) \| (.*) \|$", (docs.DOCS / "hostile.md").read_text(),
                      re.M)
    assert len(rows) > 100
    for row, state, tests in rows:
        named = [test for test in re.findall(r"`[^`]+:([^`]+)`", tests) if row.lower() in test.lower()]
        assert bool(named) == (state in ("yes", "partial")), row


def test_tables_and_picture_of_figures_are_those_of_their_file():
    known = figures.load()
    assert figures.is_drawn(), "run make docs"
    for document in sorted(docs.DOCS.glob("*.md")):
        text = document.read_text()
        assert figures.renewed(text, known) == text, f"{document.name}: run make docs"


def test_a_picture_of_other_figures_is_drawn_anew(tmp_path):
    source, picture = tmp_path / "figures.json", tmp_path / "growth.svg"
    source.write_text("{}")
    assert not figures.is_drawn(picture, source)
    picture.write_text(f"<?xml?>\n{figures.stamp(source)}\n<svg/>")
    assert figures.is_drawn(picture, source)
    source.write_text("{ }")
    assert not figures.is_drawn(picture, source)
