# SPDX-License-Identifier: GPL-2.0
"""What is made is there when it is whole, or not at all."""

from unittest import mock

import pytest

from harness import files
from harness.say import Failure


@pytest.mark.parametrize("before", [None, "file", "directory"])
def test_a_thing_is_there_when_it_is_whole(before, tmp_path, write):
    path = tmp_path / "thing"
    if before:
        (path.mkdir if before == "directory" else path.touch)()
    with pytest.raises(Failure), files.whole(path) as part:
        write(part, "half") if before == "file" else write(part / "name", "half")
        raise Failure("interrupted")
    assert path.exists() == bool(before) and not path.is_dir() or not any(path.iterdir())
    with files.whole(path) as part:
        write(part, "all") if before == "file" else write(part / "name", "all")
    assert (path if before == "file" else path / "name").read_text() == "all"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("left", ["file", "directory", "link"])
def test_what_is_left_over_of_another_kind_is_removed(left, tmp_path, write):
    part, other = tmp_path / ".thing.part", write("other/name", "text").parent
    if left == "link":
        part.symlink_to(other)
    else:
        write(part if left == "file" else part / "name", "half")
    with files.whole(tmp_path / "thing") as place:
        assert place == part and not part.exists() and not part.is_symlink()
        part.write_text("all") if left == "directory" else part.mkdir()
    assert (tmp_path / "thing").exists() and (other / "name").read_text() == "text"


def test_what_is_left_over_and_cannot_be_removed_is_an_error(tmp_path, write, monkeypatch):
    part = write(".thing.part/name", "half").parent
    monkeypatch.setattr("os.rmdir", mock.Mock(side_effect=PermissionError("not yours")))
    with pytest.raises(PermissionError, match="not yours"), files.whole(tmp_path / "thing"):
        raise AssertionError("a directory that is there already")
    assert part.is_dir()


def test_space_is_counted_in_whole_gigabytes(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: mock.Mock(free=(4 << 30) - 1))
    files.check_space(tmp_path, 3, "a test")
    with pytest.raises(Failure, match="3 GB free, a test needs 4"):
        files.check_space(tmp_path, 4, "a test")
