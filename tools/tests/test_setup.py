# SPDX-License-Identifier: GPL-2.0
"""Set-up on machines and with caches that are not as they should be."""

import os
import re
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from harness.build import source
from harness.host import debian, needs, setup, toolchain
from harness.paths import REPO
from harness.say import Failure


@pytest.mark.parametrize("processor, packages, text", [
    ("aarch64", "", "this machine is Linux on aarch64"), ("x86_64", "i386\n", "packages of this machine are i386"),
    # A machine without dpkg is taken.
    ("x86_64", "", None)])
def test_other_processors_are_refused(processor, packages, text, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: processor)
    monkeypatch.setattr(needs, "output", lambda *_, **__: packages)
    if text:
        with pytest.raises(Failure, match=text):
            needs.check_machine()
    else:
        needs.check_machine()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Returns the place of the cache, which is not there yet."""
    monkeypatch.setattr(needs, "cache", lambda: tmp_path / "cache")
    return tmp_path / "cache"


def test_a_file_in_the_place_of_the_cache_is_said(cache):
    cache.write_text("")
    with pytest.raises(Failure, match="cache: File exists .*RUST_VIRTIO_CACHE="):
        needs.check_space()


@pytest.mark.parametrize("built, needed", [(False, 15), (True, 4)])
def test_a_full_disk_is_said(cache, write, built, needed, monkeypatch):
    if built:
        write("cache/build/k/.rvt-built")
    monkeypatch.setattr("shutil.disk_usage", lambda _: mock.Mock(free=3 << 30))
    with pytest.raises(Failure, match=f"3 GB free, {needed} GB needed"):
        needs.check_space()


def test_a_part_of_the_cache_that_is_of_another_user_is_said(cache, monkeypatch):
    (cache / "build").mkdir(parents=True)
    monkeypatch.setattr("os.access", lambda path, _mode: Path(path).name != "build")
    monkeypatch.setattr("os.geteuid", lambda: 12345)
    with pytest.raises(Failure, match="build cannot be written: it is of user .*chown -R 12345 "):
        needs.check_space()


@pytest.mark.parametrize("content", [
    b"\x7fELF\x02\x01\x01" + bytes(11) + b"\xf3\0" + bytes(44), b"", b"#!/bin/sh\necho bindgen 0.60.1\n",
    b"#!/bin/sh\nexit 127\n", b"#!/nonexistent/sh\n"],
    ids=["of another machine", "cut off", "old", "lacks its library", "lacks its interpreter"])
def test_a_bindgen_that_cannot_be_used_is_as_good_as_none(content, tmp_path, write, monkeypatch):
    monkeypatch.setattr(toolchain, "cache", lambda: tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.delenv("BINDGEN", raising=False)
    write("tools/bin/bindgen", content).chmod(0o755)
    assert toolchain.bindgen()[0] == ""
    own = write("bin/bindgen", "#!/bin/sh\necho bindgen 0.71.1\n")
    assert toolchain.bindgen() == (str(own), "bindgen 0.71.1")


@pytest.mark.parametrize("program, terminal, statuses, refused", [
    ("/usr/bin/sudo", False, [0], None), ("/usr/bin/sudo", True, [1, 0], None),
    ("/usr/bin/sudo", False, [1], r"without a terminal \(sudo: no\)"),
    ("/usr/bin/sudo", True, [1, 1], "sudo refused"), (None, True, [], "or install sudo")])
def test_sudo(program, terminal, statuses, refused, monkeypatch):
    done = [mock.Mock(returncode=status, stderr="sudo: no\n") for status in statuses]
    monkeypatch.setattr(setup.subprocess, "run", mock.Mock(side_effect=done))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("os.isatty", lambda _: terminal)
    monkeypatch.setattr("shutil.which", lambda _: program)
    if refused:
        with pytest.raises(Failure, match=refused):
            setup._as_root()
    else:
        assert setup._as_root() == ["sudo"]
    assert setup.subprocess.run.call_count == len(statuses)


def apt(place: Path) -> debian.Apt:
    """Returns apt without its set-up."""
    made = debian.Apt.__new__(debian.Apt)
    made.conf = made.log = place
    return made


def test_apt_is_given_the_proxies_by_name(monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("http_proxy", "http://p:1")
    monkeypatch.setenv("https_proxy", "")
    command = apt(Path("/c/apt.conf")).command()
    assert command[0] == "env"
    assert "http_proxy=http://p:1" in command
    assert not [word for word in command if word.startswith("https_proxy")]


@pytest.mark.skipif(not Path("/usr/bin/dpkg-deb").exists(), reason="there is no dpkg-deb")
def test_a_package_that_came_in_part_is_not_whole(tmp_path, write):
    write("tree/DEBIAN/control", "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: m <m@example.org>\n"
          "Description: x\n")
    write("tree/data", os.urandom(100000))
    deb = tmp_path / "x_1_all.deb"
    subprocess.run(["dpkg-deb", "--build", tmp_path / "tree", deb], check=True, capture_output=True)
    assert source._is_whole(deb)
    deb.write_bytes(deb.read_bytes()[:-50000])
    # Its head is there, and tells nothing.
    assert subprocess.run(["dpkg-deb", "--info", deb], check=False, capture_output=True).returncode == 0
    assert not source._is_whole(deb)


def test_a_package_has_its_name_when_it_is_whole(tmp_path, monkeypatch):
    deb, seen = tmp_path / "x_1_all.deb", []

    def fetch(_argv, _log, _what, cwd, env):
        seen.append(sorted(path.name for path in tmp_path.iterdir() if path.is_file()))
        (cwd / deb.name).write_text("12345")

    monkeypatch.setattr(debian, "run", fetch)
    monkeypatch.setattr(debian, "output", lambda *_, **__: "'http://m/x' x_1_all.deb 5 SHA256:0\n")
    for _ in range(2):
        assert apt(tmp_path / "none").download("x", tmp_path) == deb
    assert seen == [[]], "a package that is whole is not fetched again"
    deb.write_text("123")
    apt(tmp_path / "none").download("x", tmp_path)
    assert deb.read_text() == "12345"


@pytest.mark.parametrize("path, name, status, said", [
    (os.environ["PATH"], sys.executable, 0, ""),
    (os.environ["PATH"], "/nowhere/python9", 1, "error: /nowhere/python9 is not installed.*PYTHON= names it"),
    ("/nonexistent", "python3", 1, "error: python3 is not installed.*install Python")],
    ids=["there", "named", "missing"])
def test_python_that_is_not_installed_is_said(path, name, status, said):
    done = subprocess.run(["/bin/sh", REPO / "tools/host/python.sh", name], check=False, env={"PATH": path},
                          capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, "")
    assert re.match(said, done.stderr) if said else done.stderr == ""


def test_what_a_user_can_do_without_is_offered(monkeypatch, capsys):
    monkeypatch.setattr(setup, "bring", mock.Mock(side_effect=Failure("needs root")))
    setup.offer(needs.bench_needs)
    assert capsys.readouterr().err == "warning: needs root\n"
    assert setup.bring.mock_calls == [mock.call(needs.bench_needs)]


def test_set_up_brings_nothing_for_reports():
    reports = {package for need in needs.bench_needs(13) for package in need.packages}
    assert reports and not reports & {package for need in needs.needs(13) for package in need.packages}
