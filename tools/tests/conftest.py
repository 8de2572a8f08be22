# SPDX-License-Identifier: GPL-2.0
"""Fixtures that several files of tests use."""

import tempfile
from pathlib import Path

import pytest
from tool_machine import Machine

from bench import results


def pytest_make_parametrize_id(val):
    """Returns for a long text in a table what stands for it in the name of a case."""
    return " ".join(val.split())[:40] if isinstance(val, str) and (len(val) > 40 or "\n" in val) else None


@pytest.fixture
def tmp_path():
    """Stands in for pytest's: the name of the test is part of that, and could be what a test looks for."""
    with tempfile.TemporaryDirectory(prefix="harness-test-") as top:
        yield Path(top).resolve()


@pytest.fixture
def write(tmp_path):
    """Returns a function that writes a file below `tmp_path`, and returns its path. A script can be run."""
    def write_file(name, text="", **options) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(text, **options)
        if text[:2] in ("#!", b"#!"):
            path.chmod(0o755)
        return path

    return write_file


@pytest.fixture
def kdir(tmp_path, write):
    """Returns the directory of a built kernel that has no modules, neither as files nor built in."""
    for name, text in (("include/config/kernel.release", "7.3.4\n"), ("modules.order", ""), ("modules.builtin", "")):
        write(f"kdir/{name}", text)
    return tmp_path / "kdir"


@pytest.fixture
def report(tmp_path):
    """Returns a report of the benchmark that has no results yet."""
    return results.Report(tmp_path / "bench.json", {})


@pytest.fixture
def machine(tmp_path, write):
    return Machine(tmp_path, write)
