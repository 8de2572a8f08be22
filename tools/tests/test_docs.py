# SPDX-License-Identifier: GPL-2.0
"""What `make docs` makes. The picture of the layers shows the modules and crates that Kbuild builds, and
their uses of one another."""

import re
import unittest
from pathlib import Path

from harness.paths import REPO
from harness.report import docs

#: Where the sources of a crate are, if not in the folder of its root.
_FOLDERS = {
    "rust_virtio_net.rs": ["net"],
    "rust_virtio_blk.rs": ["blk"],
    "virtqueue/virtio.rs": ["virtqueue/bus", "virtqueue/queue", "virtqueue/queue.rs"],
    "virtqueue/vring/vring.rs": ["virtqueue/vring", "virtqueue/ring"],
}


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


class PictureTest(unittest.TestCase):

    def test_modules_and_crates_are_those_of_kbuild(self):
        assert Picture().crates == _kbuild()

    def test_arrows_are_the_uses_of_crates(self):
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

    def test_the_picture_is_that_of_its_source(self):
        assert docs.stamp(docs.SOURCE) in docs.PICTURE.read_text(), "run make docs"


class ParityTest(unittest.TestCase):

    def test_the_page_is_that_of_the_table(self):
        assert docs.PARITY.read_text() == docs.parity_page(), "run make docs"

    def test_a_remark_is_no_argument(self):
        assert docs._remark("R47 option (the kernel marks it (and so on))") == ("R47 option",
            "the kernel marks it (and so on)")
        assert docs._remark("F_MTU(3)") == ("F_MTU(3)", "")
