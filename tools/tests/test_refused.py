# SPDX-License-Identifier: GPL-2.0
"""Drivers that the compiler has to refuse: its command, and what is made of its errors."""

import json
import re

import pytest

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


def test_the_command_that_kbuild_saves_without_source_and_products():
    assert refused.command(SAVED) == (
        {"OBJTREE": "/k", "RUST_MODFILE": "./m"},
        ["/bin/rustc", "--edition=2021", "-Zcrate-attr=feature(a,b)", "-L", "./kernel", "--extern", "net"])


@pytest.mark.parametrize("text", ["", "x\n", "a := \n", "a := B=c\n"])
def test_a_command_of_something_else(text):
    with pytest.raises(Failure, match="no compiler"):
        refused.command(text)


NO_G = error(2, "E0425", "no g")


@pytest.mark.parametrize("errors, wrong", [
    (["warning", NO_G, error(4, "", "lifetime may not live long enough")], "^$"),
    ([NO_G], "^line 4: may not live was expected$"),
    ([error(2, "E0308", "types"), error(4, "", "lifetime may not live")],
     "file.rs:2: E0308 types\nline 2: E0425 was expected"),
    ([error(2, "E0425", "no g", "/t/common/nic.rs"), error(4, "", "may not live")],
     "nic.rs:2: E0425 no g\nline 2: E0425 was expected")], ids=["right", "missing", "another", "in another file"])
def test_errors_against_those_that_are_announced(errors, wrong):
    assert re.search(wrong, refused.wrong(refused.announced(SOURCE), "\n".join(errors), "file.rs"))
