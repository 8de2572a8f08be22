# SPDX-License-Identifier: GPL-2.0
"""Tests of what surrounds the life of the package: its result, that the root goes, and who may make one."""

from unittest import mock

import pytest

from harness.host import debroot
from harness.package import deb
from harness.package import life as packagelife
from harness.proc import CommandFailed
from harness.say import Failure


@pytest.fixture
def life(tmp_path, monkeypatch):
    """Returns a function that runs the life without a root, whose script prints a text; it returns the commands and
    the number of roots that were removed so far."""
    commands, removed = [], []

    def build(version, place):
        place.mkdir()
        (place / f"p_{version}.deb").touch()
        return place / f"p_{version}.deb"

    def run_life(text, status=0):
        def run(_root, argv, *_):
            commands.append(argv)
            if status:
                raise CommandFailed(f"in-root.sh failed (status {status})", text)
            return text

        monkeypatch.setattr(debroot.Root, "run", run)
        packagelife.run(tmp_path / "log")
        return commands

    monkeypatch.setenv("RUST_VIRTIO_CACHE", str(tmp_path))
    monkeypatch.setattr(deb, "build", build)
    monkeypatch.setattr(packagelife, "_SPACE_GB", 0)
    monkeypatch.setattr(debroot.Root, "copy", lambda *_: None)
    monkeypatch.setattr(debroot.Root, "remove", lambda place, _: removed.append(place))
    run_life.removed = removed
    return run_life


def test_older_package_goes_first(life):
    assert life("ok 1 - a\n1..1\n") == [["nice", "sh", "/test/in-root.sh", "/test/0~test1/p_0~test1.deb",
                                         "/test/0~test2/p_0~test2.deb"]]


@pytest.mark.parametrize("text, status, named", [
    ("ok 1 - a\nnot ok 2 - b\n# reason\n1..2\n", 1, "not ok 2 - b"),
    # It breaks off.
    ("ok 1 - a\n", 2, "status 2")])
def test_failed_tests_are_named_and_the_root_goes(life, text, status, named):
    with pytest.raises(Failure) as caught:
        life(text, status)
    assert named in str(caught.value)
    assert len(life.removed) == 1


@pytest.mark.parametrize("missing, advice", [
    (["mmdebstrap", "newuidmap"], "sudo apt install mmdebstrap uidmap"),
    # A range of ids.
    ([], "usermod --add-subuids 100000-165535 no-such-user")])
def test_an_ordinary_user_who_cannot_make_a_root_is_told_what_is_missing(missing, advice, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 0x7ffffff0)
    monkeypatch.setattr(deb.pwd, "getpwuid", lambda _: mock.Mock(pw_name="no-such-user"))
    monkeypatch.setattr(deb.shutil, "which", lambda name: None if name in missing else name)
    with pytest.raises(Failure) as caught:
        deb._check_root()
    assert advice in str(caught.value)
