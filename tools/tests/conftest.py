# SPDX-License-Identifier: GPL-2.0
"""What all tests of the tools have."""

import contextlib
import tempfile
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _belongings(request):
    """Gives each test of a class an empty directory, `top`, and `enter`, which enters a context until the test ends."""
    with contextlib.ExitStack() as contexts:
        if request.instance:
            # Not pytest's tmp_path: the name of the test is part of that, and could be what a test looks for.
            top = contexts.enter_context(tempfile.TemporaryDirectory(prefix="harness-test-"))
            request.instance.top, request.instance.enter = Path(top).resolve(), contexts.enter_context
        yield
