# SPDX-License-Identifier: GPL-2.0
"""What clippy says of the modules, and which clippy is asked."""

import pytest

from harness.build import clippy
from harness.host import toolchain
from harness.report.results import Results


@pytest.mark.parametrize("text, said", [
    ("  CLIPPY [M] net/x.o\n"
     "warning: this is long\n  --> net/x.rs:3:1\n   |\n3  | fn\n   = note: why\n\n"
     "warning: 1 warning emitted\n\n  LD [M]  x.ko\nwarning: the compiler differs from the one\n"
     "error[E0308]: types\n --> y.rs:1:1\n",
     "warning: this is long\n  --> net/x.rs:3:1\n   |\n3  | fn\n   = note: why\n"
     "error[E0308]: types\n --> y.rs:1:1"),
    ("  CLIPPY [M] x.o\n  LD [M]  x.ko\n", "")], ids=["findings", "clean"])
def test_lints_in_the_log_of_a_build(text, said):
    assert clippy.said(text) == said


@pytest.mark.parametrize("version, taken", [
    ("clippy 0.1.85 (4eb161250e 2025-03-15)", True), ("clippy 0.1.96 (ac68faa20c 2026-05-25)", False), ("", False)])
def test_only_the_clippy_of_the_compiler_is_taken(monkeypatch, version, taken):
    monkeypatch.setattr(toolchain, "rustc", lambda: ("/r/rustc", "rustc 1.85.1 (4eb161250 2025-03-15)"))
    monkeypatch.setattr(toolchain, "beside_rustc", lambda name: f"/r/{name}")
    monkeypatch.setattr(clippy, "output", lambda argv: version)
    assert clippy._of_this_machine() == ("/r/clippy-driver" if taken else "")


@pytest.mark.parametrize("found, result", [("", "pass"), ("warning: this is long", "fail")])
def test_findings_fail_the_test(monkeypatch, found, result):
    monkeypatch.setattr(clippy, "_of_this_machine", lambda: "/r/clippy-driver")
    monkeypatch.setattr(clippy, "look", lambda: found)
    results = Results("test")
    clippy.run_test(results)
    assert [(test.result, test.reason) for test in results.tests] == [(result, found)]


def test_a_machine_without_clippy_and_without_debian_skips(monkeypatch):
    monkeypatch.setattr(clippy, "_of_this_machine", lambda: "")
    monkeypatch.setattr(clippy.stock, "reason_not_here", lambda: "this is not Debian 12 or 13")
    results = Results("test")
    clippy.run_test(results)
    assert [(test.result, test.reason) for test in results.tests] == [("skip", "this is not Debian 12 or 13")]
