# SPDX-License-Identifier: GPL-2.0
"""Documents quote messages of the kernel log, which the drivers print, with the prefix that the kernel prints. They
name tests, which there are."""

import re

import pytest

from harness.checks import names, places
from harness.paths import REPO
from harness.report import docs

#: The beginning of a message about a device, or about an interface.
_PREFIX = re.compile(r"(rust_virtio_(net|blk) virtio\d+: |rust_virtio_net virtio\d+ eth\d+: |net eth\d+: )")
_PRODUCT = ("abstractions", "blk", "net", "virtqueue")


def _printed() -> list:
    """Returns a pattern for each message that the drivers print."""
    text = "\n".join(path.read_text() for path in places.rust() if path.relative_to(REPO).parts[0] in _PRODUCT)
    formats = re.findall(r'"((?:[^"\\\n]|\\")*)\\n"', text)
    return [re.compile(".+".join(map(re.escape, re.split(r"\{[^}]*\}", one)))) for one in formats
            # A message of nothing but values would be any text.
            if len(re.sub(r"\{[^}]*\}", "", one)) > 8]


_PATTERNS = _printed()


def is_printed(message: str) -> bool:
    """Returns whether a driver prints a message, without its prefix."""
    return any(pattern.fullmatch(message) for pattern in _PATTERNS)


def test_messages_that_are_explained():
    table = (docs.DOCS / "debugging.md").read_text().split("| message | meaning | next |\n")[1].split("\n\n")[0]
    messages = re.findall(r"^\| `([^`]+)` \|", table, re.M)
    assert len(messages) > 15
    assert [message for message in messages if not is_printed(message)] == []


def test_lines_of_the_log_that_are_shown():
    lines = re.findall(r"^```\n([^`]+?)\n```$", (docs.DOCS / "recovery.md").read_text(), re.M)
    assert len(lines) > 5
    assert [line for line in lines
            if not ((prefix := _PREFIX.match(line)) and is_printed(line[prefix.end():]))] == []


@pytest.mark.parametrize("message, printed", [
    ("a queue is broken: started anew", True), ("eth0: bad header: flags 1, gso type 2, size 3, checksum 4+5", True),
    ("a queue is broken: started again", False), ("queue 1: queue disabled", False), ("", False)])
def test_a_message_that_is_not_printed_is_noticed(message, printed):
    assert is_printed(message) == printed


#: In backticks: a KUnit suite, which has a longer name than any module, or a guest selftest.
_SUITE = re.compile(r"`(rust_virtio_(?:blk|net|ring|queue|bus|hostile)_\w+|(?:blk|net|ring|dropin)/[a-z-]+)"
                    r"(?::([^`]+))?`")


@pytest.mark.parametrize("document", ["devices", "debugging", "drop-in", "recovery", "write-a-driver"])
def test_tests_that_are_named(document):
    found = _SUITE.findall((docs.DOCS / f"{document}.md").read_text())
    assert [suite for suite, case in found
            if not (names.exists(f"{suite}:{case}") if case else names.is_suite(suite))] == []


def test_a_test_that_is_not_there_is_noticed():
    assert names.is_suite("rust_virtio_net_tx") and names.is_suite("blk/remove")
    assert not names.is_suite("rust_virtio_net_txs") and not names.is_suite("blk/removed")
