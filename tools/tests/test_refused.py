# SPDX-License-Identifier: GPL-2.0
"""Drivers that the compiler has to refuse: its command, and what is made of its errors."""

import json
import unittest

from harness.say import Failure
from harness.suites import refused

SAVED = """\
savedcmd_net/virtio_net.o := OBJTREE=/k RUST_MODFILE=./m /bin/rustc --edition=2021 \
-Zcrate-attr='feature(a,b)' --emit=metadata=./net/lib.rmeta -L ./kernel --extern net \
--out-dir net/ --emit=dep-info=net/.virtio_net.o.d --emit=obj=net/virtio_net.o /s/rust_virtio_net.rs ;clang x.rs
source_net/virtio_net.o := /s/rust_virtio_net.rs
"""

SOURCE = "fn f() {\n    g(); //~ E0425\n}\nfn h() -> &'static u8 { x } //~ may not live\n"


def error(line: int, code: str, text: str, name: str = "/t/file.rs") -> str:
    """Returns an error as rustc prints it."""
    return json.dumps({"level": "error", "message": text, "code": {"code": code} if code else None,
                       "spans": [{"is_primary": True, "file_name": name, "line_start": line}]})


class Command(unittest.TestCase):
    """The command that Kbuild saves."""

    def test_without_source_and_products(self):
        assert refused.command(SAVED) == ({"OBJTREE": "/k", "RUST_MODFILE": "./m"},
            ["/bin/rustc", "--edition=2021", "-Zcrate-attr=feature(a,b)", "-L", "./kernel", "--extern", "net"])

    def test_of_something_else(self):
        for text in ("", "x\n", "a := \n", "a := B=c\n"):
            with self.subTest(text), self.assertRaisesRegex(Failure, "no compiler"):
                refused.command(text)


class Errors(unittest.TestCase):
    """The errors against those that are announced."""

    def check(self, *errors) -> str:
        """Returns what is wrong with these errors of the source."""
        return refused.wrong(refused.announced(SOURCE), "\n".join(errors), "file.rs")

    def test_all_there(self):
        assert self.check("warning", error(2, "E0425", "no g"), error(4, "", "lifetime may not live long enough")) == ""

    def test_one_is_missing(self):
        self.assertRegex(self.check(error(2, "E0425", "no g")), "^line 4: may not live was expected$")

    def test_another_one(self):
        text = self.check(error(2, "E0308", "types"), error(4, "", "lifetime may not live"))
        self.assertRegex(text, "file.rs:2: E0308 types\nline 2: E0425 was expected")

    def test_in_another_file(self):
        text = self.check(error(2, "E0425", "no g", "/t/common/nic.rs"), error(4, "", "may not live"))
        self.assertRegex(text, "nic.rs:2: E0425 no g\nline 2: E0425 was expected")
