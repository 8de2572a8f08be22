# SPDX-License-Identifier: GPL-2.0
"""Examples in the documentation of the Rust code, which the compiler has to accept.

Each is compiled as a driver is, as a crate of its own. It may use the names of the kernel's prelude and those of
`selftests/accepted/names.rs`. As for rustdoc, a line that begins with `# ` is compiled and not shown.
"""

import json
import tempfile
from pathlib import Path

from ..checks import language, places
from ..paths import REPO
from ..report.tap import Test
from ..say import say

_NAMES = REPO / "selftests" / "accepted" / "names.rs"

#: Where the examples are. Those of the ring core are compiled by cargo.
_FOLDERS = ("abstractions", "blk", "net", "samples", "virtqueue")
_CARGO = REPO / "virtqueue" / "ring"


def examples(text: str) -> list:
    """Returns the code of each example in a source."""
    found = []
    for comment in language.comments(text):
        if not comment.is_doc():
            continue
        lines = iter(comment.texts)
        for line in lines:
            if line.startswith("```"):
                code = []
                for inside in lines:
                    if inside == "```":
                        break
                    code.append("" if inside == "#" else inside[2:] if inside.startswith("# ") else inside)
                # Others are no Rust, such as `text`.
                if line in ("```", "```rust"):
                    found.append("\n".join(code))
    return found


def crate(code: str, crates: list) -> str:
    """Returns the crate that an example is compiled as, which may name some crates in these folders."""
    used = "".join(f"extern crate {Path(folder).name};\n" for folder in crates)
    return ("//! An example.\n#![allow(unused)]\n" + used + "use kernel::prelude::*;\n"
            f"#[path = \"{_NAMES}\"]\nmod names;\nuse names::*;\n\n{code}\n")


def sources() -> list:
    """Returns the sources that may have examples."""
    return [path for path in places.rust() if _CARGO not in path.parents and
            (path.relative_to(REPO).parts[0] in _FOLDERS or path.parent == REPO)]


def errors(output: str) -> list:
    """Returns the errors among the messages of a compiler, which are JSON."""
    messages = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [message for message in messages if message.get("level") == "error"]


def wrong(status: int, output: str) -> str:
    """Returns what is wrong with an example: the errors of the compiler, or nothing."""
    found = [message.get("rendered") or message["message"] for message in errors(output)]
    return "\n".join(found) or ("" if status == 0 else f"exit status {status}\n{output[-2000:]}")


def run(rustc) -> list:
    """Compiles every example with a `refused.Compiler`, and returns the tests."""
    found = [(path, examples(path.read_text())) for path in sources()]
    say(f"Examples that the compiler has to accept: {sum(len(codes) for _, codes in found)}")
    tests = []
    for path, codes in found:
        for number, code in enumerate(codes, 1):
            with tempfile.TemporaryDirectory() as top:
                file = Path(top, "example.rs")
                file.write_text(crate(code, rustc.crates))
                done = rustc.run(file)
            reason = wrong(done.returncode, done.stdout)
            name = f"{path.relative_to(REPO)}" + (f" {number}" if len(codes) > 1 else "")
            tests.append(Test("accepted", name, "fail" if reason else "pass", reason))
    return tests
