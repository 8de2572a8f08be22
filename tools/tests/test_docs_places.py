# SPDX-License-Identifier: GPL-2.0
"""docs/life-of-a-packet.md: every place that it names is there."""

import re
import unittest

from rvt import docs
from rvt.paths import REPO

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
        self.assertGreater(len(places), 100)
        wrong = [f"{path}:{place}: {why}" for path, place in places if (why := missing(path, place))]
        self.assertEqual(wrong, [])

    def test_nothing_that_looks_like_a_place_is_left_out(self):
        text = _LIFE.read_text()
        self.assertEqual(len(re.findall(r"\w\.rs\b", text)), len(_PLACE.findall(text)))

    def test_what_is_not_there_is_noticed(self):
        self.assertEqual(missing("net/tx.rs", "start_xmit"), "")
        self.assertEqual(missing("net/tx.rs", "Xmit::run"), "")
        for path, place in (("net/ty.rs", "start_xmit"), ("net/tx.rs", "start_xmi"),
                            ("net/tx.rs", "Xmit::start_xmit"), ("net/tx.rs", "Xmut::run"),
                            ("net/tx.rs", "start_xmit!")):
            self.assertNotEqual(missing(path, place), "", (path, place))


if __name__ == "__main__":
    unittest.main()
