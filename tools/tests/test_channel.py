# SPDX-License-Identifier: GPL-2.0
"""Tests of what a guest asks of the host (harness/guest/channel.py)."""

import pytest

from harness.guest.channel import Requests
from harness.say import Failure


def _raises(error: Exception):
    def action(_argument: str) -> None:
        raise error
    return action


def _answer(action) -> tuple:
    return Requests(None, None, None, {"act": action}).answer("run act 5")


def test_an_action_gets_its_argument_and_its_text_is_the_answer():
    assert _answer(lambda argument: f"got {argument}") == (0, "got 5")
    assert _answer(lambda argument: None) == (0, "")


@pytest.mark.parametrize("error, text", [
    (Failure("no bridge"), "no bridge"), (OSError("gone"), "gone"),
    (IndexError("out of range"), "IndexError: out of range"), (KeyError("br0"), "KeyError: 'br0'")])
def test_an_error_of_an_action_is_told_to_the_guest(error, text):
    assert _answer(_raises(error)) == (1, text)


def test_an_action_that_is_not_there():
    assert Requests(None, None, None, {}).answer("run act") == (127, 'no host action "act"')
