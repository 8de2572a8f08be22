# SPDX-License-Identifier: GPL-2.0
"""Code in documents: it is that of the sources."""

import textwrap

import pytest

from harness.paths import REPO
from harness.report import docs, excerpts
from harness.say import Failure

SOURCE = textwrap.dedent("""\
    /// A chunk.
    type Chunk = KBox<[u8; 64]>;

    /// The state.
    #[derive(Default)]
    struct State {
        queue: u32,
    }

    impl State {
        fn take_all(&mut self) {}

        /// Takes.
        fn take(
            &mut self,
        ) -> Result {
            // PERF: Never.
            // Not measured.
            if self.queue == 0 {
                return Ok(());
            }
            Ok(())
        }
    }

    impl Generator for Rng {
        fn take(&self) {}
    }
    """)

TAKE = """\
/// Takes.
fn take(
    &mut self,
) -> Result {
    // PERF: Never.
    // Not measured.
    if self.queue == 0 {
        return Ok(());
    }
    Ok(())
}"""

DOCUMENT = "A.\n\n<!-- code: a.rs, impl Generator, fn take -->\n```rust\n{}\n```\n\nB.\n"


@pytest.mark.parametrize("places, found", [
    ("type Chunk", "/// A chunk.\ntype Chunk = KBox<[u8; 64]>;"),
    ("struct State", "/// The state.\n#[derive(Default)]\nstruct State {\n    queue: u32,\n}"),
    ("impl State, fn take", TAKE),
    ("impl State, fn take, // PERF", "// PERF: Never.\n// Not measured."),
    ("impl Generator, fn take", "fn take(&self) {}")])
def test_an_excerpt_is_an_item(places, found):
    assert "\n".join(excerpts.excerpt(SOURCE, places.split(", "))) == found


@pytest.mark.parametrize("places", ["fn tak", "impl Rng", "struct State, fn take"])
def test_an_excerpt_of_nothing(places):
    with pytest.raises(Failure):
        excerpts.excerpt(SOURCE, places.split(", "))


def test_a_document_is_renewed(tmp_path):
    (tmp_path / "a.rs").write_text(SOURCE)
    assert excerpts.renewed(DOCUMENT.format("old\nlines"), tmp_path) == DOCUMENT.format("fn take(&self) {}")


@pytest.mark.parametrize("text", ["<!-- code: a.rs, fn give -->\n```rust\n```\n",
                                  "<!-- code: a.rs, fn take -->\n\n```rust\n```\n",
                                  "<!-- code: a.rs, fn take -->\n```rust\n"])
def test_a_mark_without_code(tmp_path, text):
    (tmp_path / "a.rs").write_text(SOURCE)
    with pytest.raises(Failure):
        excerpts.renewed(text, tmp_path)


def test_code_without_a_source_is_noticed():
    assert excerpts.unmarked("A.\n```rust\n```\n<!-- code: a.rs, fn a -->\n```rust\n```\n```sh\n```\n") == [2]


@pytest.mark.parametrize("document", [*REPO.glob("*.md"), *docs.DOCS.glob("*.md")], ids=lambda path: path.name)
def test_code_in_documents_is_that_of_the_sources(document):
    text = document.read_text()
    assert excerpts.unmarked(text) == []
    assert excerpts.renewed(text) == text, "run make docs"
