# SPDX-License-Identifier: GPL-2.0
"""Examples in the documentation of the Rust code: those that are compiled, and what is made of their errors."""

import re

import pytest

from harness.checks import places
from harness.suites import accepted

SOURCE = """\
//! A module.
//!
//! ```
//! mod a;
//! ```

/// ```rust
/// # use x;
/// #
/// #[pin_data]
/// struct B;
/// ```
///
/// ```text
/// a picture
/// ```
fn f() {
    // ```
    // none
    // ```
}
"""


def test_examples_in_rust_are_found():
    assert accepted.examples(SOURCE) == ["mod a;", "use x;\n\n#[pin_data]\nstruct B;"]


@pytest.mark.parametrize("status, output, found", [
    (0, '{"level": "warning", "message": "w"}', ""), (1, '{"level": "error", "message": "no g"}', "no g"),
    (1, "rustc: killed", "exit status 1\nrustc: killed")])
def test_errors(status, output, found):
    assert accepted.wrong(status, output) == found


def test_all_examples_are_compiled():
    assert sum(len(accepted.examples(path.read_text())) for path in accepted.sources()) > 3
    fences = {(path.name, fence) for path in places.rust()
              for fence in re.findall(r"^\s*//[/!] ?```(.+)$", path.read_text(), re.M)}
    assert fences
    assert {(name, fence) for name, fence in fences if fence not in ("rust", "text")} == set()
