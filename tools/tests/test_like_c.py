# SPDX-License-Identifier: GPL-2.0
"""Tests of the comparison of both network drivers: its files, and the differences that it finds."""

import re
import subprocess
import sys

import pytest

from harness.paths import REPO, SELFTESTS

sys.path.insert(0, str(SELFTESTS / "lib"))

import like_c  # noqa: E402  pylint: disable=wrong-import-position

_FILES = SELFTESTS / "net"


def test_every_allowed_difference_is_a_row_of_drop_in():
    rows = [line.split(" | ")[0].removeprefix("| ") for line in (REPO / "docs/drop-in.md").read_text().splitlines()]
    for *_, row in like_c.Allowed(_FILES / "like-c-allowed.txt").rows:
        assert row in rows


def test_settings_are_whole():
    source = re.search(r"^settings\(\) \{\n.*?^\}", (SELFTESTS / "lib/like-c.sh").read_text(), re.M | re.S)[0]
    script = "setting() { echo \"$1 | $2 | $3 | $4\"; }\n" + source + "\nsettings"
    lines = subprocess.run(["sh", "-c", script], check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines()
    settings = [like_c.Setting(line, ["virtio1", "virtio2"]) for line in lines]
    assert {setting.set for setting in settings} == {"some", "all"}
    titles = [setting.title for setting in settings]
    assert len(titles) == len(set(titles))
    for word in (word for line in lines for word in line.split("|")[3].split()):
        assert word == "!" or word.lstrip("+") in like_c._BITS


def test_masked_bits():
    assert like_c.Setting("some | 0 | the same | CSUM", ["virtio1"]).bits == [0, 62]
    assert like_c.Setting("some | 0 | the same | +STANDBY MAC", ["virtio1"]).bits == [5]
    assert like_c.Setting("some | 0 | the same | !", ["virtio1"]).attempts


@pytest.fixture(name="allowed")
def _allowed(tmp_path):
    path = tmp_path / "allowed.txt"
    path.write_text("# A remark.\n\nN8 * | ethtool -[gl] | RX: .* | a row\n* | sysfs | never | another row\n")
    return like_c.Allowed(path)


class _Setting:
    title, bits = "N8 the same", [5]

    def __init__(self, c: dict, rust: dict):
        self._views = {"virtio_net": c, "rust_virtio_net": rust}

    def view(self, driver: str) -> dict:
        """Returns the view with a driver."""
        return self._views[driver]


def test_equal_views(allowed):
    assert like_c.differences(_Setting({"ethtool -k": ["tx: on"]}, {"ethtool -k": ["tx: on"]}), allowed) == []


@pytest.mark.parametrize("c, rust, line", [
    (["tx: on", "rx: on"], ["tx: off", "rx: on"], "    +tx: off"),
    (["tx: on"], ["tx: on", "rx: on"], "    +rx: on"),
    (["tx: on", "rx: on"], ["tx: on"], "    -rx: on"),
    (["tx: on", "rx: on"], ["rx: on", "tx: on"], "    -rx: on"),
])
def test_differences_are_found(allowed, c, rust, line):
    found = like_c.differences(_Setting({"ethtool -k": c}, {"ethtool -k": rust}), allowed)
    assert found[:2] == ["masked bits: 5", "ethtool -k: - virtio_net, + rust_virtio_net"]
    assert line in found


def test_a_source_of_one_driver_only_is_a_difference(allowed):
    assert like_c.differences(_Setting({}, {"ethtool -k": ["tx: on"]}), allowed)
    assert like_c.differences(_Setting({"ethtool -k": ["tx: on"]}, {}), allowed)


def test_allowed_differences(allowed):
    assert like_c.differences(_Setting({"ethtool -g": ["RX: 1"]}, {"ethtool -g": ["RX: 2"]}), allowed) == []
    assert like_c.differences(_Setting({"ethtool -x": ["RX: 1"]}, {"ethtool -x": ["RX: 2"]}), allowed)
    assert like_c.differences(_Setting({"ethtool -g": ["TX: 1"]}, {"ethtool -g": ["TX: 2"]}), allowed)
    assert allowed.unused() == ["* | sysfs | never"]
