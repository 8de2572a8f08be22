# SPDX-License-Identifier: GPL-2.0
"""Machines on which set-up cannot go on: it ends with a line that says what to do, and breaks nothing."""

import dataclasses
import functools
import shlex
from pathlib import Path

from ..paths import cache
from ..report.results import Results
from ..report.tap import Test
from .machine import Machine

_OTHER_SYSTEM = 'ID=other\nID_LIKE=debian\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\n'

_NO_NETWORK = ["unshare", "--net"]

#: Takes the rights of sudo away, and gives them back.
_NO_SUDO = "chmod 600 /usr/bin/sudo && mv /usr/bin/sudo /root/"
_SUDO = "mv /root/sudo /usr/bin/ && chmod 4755 /usr/bin/sudo"


@dataclasses.dataclass
class _Case:
    """One bad machine."""

    name: str
    #: What the error says, as a regular expression.
    says: str
    #: What makes the machine bad, and good again, as root.
    before: str = ""
    after: str = ""
    #: By what root runs set-up.
    prefix: list = dataclasses.field(default_factory=list)
    #: Variables of make.
    variables: str = ""
    #: File of the machine -> text that is there instead.
    files: dict = dataclasses.field(default_factory=dict)
    #: Directories that cannot be written.
    frozen: list = dataclasses.field(default_factory=list)


#: Arguments of the shell: the directory of the tmpfs, then the command.
_FULL = ["sh", "-c", 'mkdir -p "$0" && mount -t tmpfs -o size=64m,mode=777 none "$0" && exec "$@"', "/srv/full"]

_WITHOUT_PYTHON = [
    _Case("no Python and no network", "python3 is not installed.*network", prefix=_NO_NETWORK),
    _Case("no Python and no root", "python3 is not installed.*as root", _NO_SUDO, _SUDO),
]

_CASES = [
    _Case("no network", "lists.* cannot be fetched.*network",
          prefix=_NO_NETWORK),
    _Case("no root", "needs root: .*install sudo", _NO_SUDO, _SUDO),
    _Case("sudo that asks for a password", "needs root, and sudo does not give it without a terminal",
          "sed -i s/NOPASSWD:// /etc/sudoers.d/user", "sed -i s/ALL$/NOPASSWD:ALL/ /etc/sudoers.d/user"),
    _Case("no disk space", "/srv/full: 0 GB free, [0-9]+ GB needed", prefix=_FULL,
          variables="RUST_VIRTIO_CACHE=/srv/full"),
    _Case("another processor", "this machine is Linux on i686", prefix=["setarch", "i686"]),
    _Case("another distribution", "not Debian 12 or 13.*missing here", prefix=[],
          files={"/etc/os-release": _OTHER_SYSTEM}),
    _Case("a cache that root has made", "/srv/cache cannot be written: it is of user root",
          "mkdir /srv/cache", variables="RUST_VIRTIO_CACHE=/srv/cache"),
    _Case("a cache that root has used", "/srv/used/build cannot be written: it is of user root",
          "mkdir -p /srv/used/build && chown user: /srv/used",
          variables="RUST_VIRTIO_CACHE=/srv/used"),
    _Case("a tree in which root has built", "out/logs cannot be written: it is of user root.*chown",
          "chown -R root: ~user/rust-virtio/out", "chown -R user: ~user/rust-virtio/out"),
    _Case("a tree that cannot be written", "rust-virtio.* cannot be written: builds, logs and results",
          frozen=["tree"]),
]
_REPAIR = "packages that are unpacked only"


def names() -> list:
    """Returns the names of all cases."""
    return [*(case.name for case in [*_WITHOUT_PYTHON, *_CASES]), _REPAIR]


def run(results: Results, suite: str, title: str, log: Path) -> None:
    """Tries each on a bare machine, as an ordinary user."""
    with Machine(suite, "user", log) as machine:
        for cases in (_WITHOUT_PYTHON, _CASES):
            for case in cases:
                results.add([Test.tried(f"fresh/{suite}", f"{title}: {case.name}",
                                        functools.partial(_try, machine, case))])
            if cases is _WITHOUT_PYTHON:
                machine.get_python()
        results.add([Test.tried(f"fresh/{suite}", f"{title}: {_REPAIR}", functools.partial(_repair, machine))])


def _try(machine: Machine, case: _Case) -> None:
    binds = [(machine.place / machine.tree[1:], f"{machine.tree}:ro") for _ in case.frozen]
    for number, (name, text) in enumerate(case.files.items()):
        instead = machine.scratch / f"instead-{number}"
        instead.write_text(text)
        binds.append((instead, name))
    if case.before:
        machine.as_root(case.before, f"preparation of: {case.name}")
    try:
        machine.run(_fails(f"make setup {case.variables}", case.says), case.name, binds=binds, prefix=case.prefix)
        # Whatever it was, the packages of the machine are as they were.
        machine.as_root('[ -z "$(dpkg --audit)" ]', f"dpkg after: {case.name}")
    finally:
        if case.after:
            machine.as_root(case.after, f"end of: {case.name}")


def _fails(command: str, says: str) -> str:
    """Returns a shell command that succeeds if `command` fails as it should."""
    return (f"if {command} >/tmp/bad 2>&1; then cat /tmp/bad; echo 'this succeeded'; exit 1; fi; "
            "cat /tmp/bad; ! grep Traceback /tmp/bad && "
            f"grep -Eq {shlex.quote(f'^error: .*({says})')} /tmp/bad || "
            f"{{ echo 'no such error: '{shlex.quote(says)}; exit 1; }}")


def _repair(machine: Machine) -> None:
    """Has set-up go on where dpkg was interrupted. Without a network, so that it installs nothing else."""
    archives = cache() / "apt" / f"fresh-{machine.suite}"
    if not any(archives.glob("busybox-static_*.deb")):
        machine.as_root("apt-get update && cd /tmp && apt-get download busybox-static", "download of a package")
    machine.as_root(f"dpkg --unpack $(ls {machine.cache}/apt/setup/cache/archives/busybox-static_*.deb "
                    "/tmp/busybox-static_*.deb 2>/dev/null | head -1) && [ -n \"$(dpkg --audit)\" ]",
                    "an unpacked package")
    machine.run(_fails("make setup", "network"), _REPAIR, prefix=_NO_NETWORK)
    machine.as_root("[ -z \"$(dpkg --audit)\" ] && dpkg -s busybox-static | "
                    "grep '^Status: install ok installed'", "dpkg after its repair")
