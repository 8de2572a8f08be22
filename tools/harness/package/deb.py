# SPDX-License-Identifier: GPL-2.0
"""Builds the Debian package (make deb), here or in a Debian 13 root."""

import os
import pwd
import re
import shutil
import subprocess
from pathlib import Path

from ..host import debian, debroot
from ..paths import OUT, REPO, new_log
from ..proc import output, run
from ..say import Failure, say
from ..tree import files

#: Packages that build and check the package: base system, and what debian/control asks for.
_TOOLS = ["build-essential", "debhelper", "dh-dkms", "dkms", "lintian", "fakeroot"]

_CHANGELOG = REPO / "packaging" / "debian" / "changelog"


def arguments(parser) -> None:
    """Adds the options of the command."""
    parser.add_argument("--version", help="version of the package (default: from the changelog and from git)")


def main(args) -> int:
    """Builds the package into out/deb and checks it."""
    if not debian.is_debian():
        raise Failure("the package is built on Debian 12 or 13, and this is neither; packaging/README.md "
                      "has recipes for other systems")
    package = build(args.version)
    say(f"{package.relative_to(Path.cwd()) if package.is_relative_to(Path.cwd()) else package}: "
        f"{package.stat().st_size // 1024} KB, lintian has no errors and no warnings")
    return 0


def version(given: str = None) -> str:
    """Returns the version of the package: that of the changelog at a commit with its tag, and one that sorts before it,
    with date and commit, elsewhere. Raises `Failure` if a given version is none that Debian takes."""
    if given:
        if not re.fullmatch(r"[0-9][A-Za-z0-9.+~]*", given):
            raise Failure(f"'{given}' is no version of a package: digits, letters and . + ~ only, a digit first")
        return given
    release = re.match(r"\S+ \(([^)]+)\)", _CHANGELOG.read_text()).group(1)
    git = ["git", "-C", REPO]
    if f"v{release}" in output([*git, "tag", "--points-at", "HEAD"]).split():
        return release
    commit = output([*git, "log", "-1", "--format=%cd.%h", "--date=format-local:%Y%m%d.%H%M"],
                    env={"TZ": "UTC"}).strip()
    dirty = ".changed" if output([*git, "status", "--porcelain"]).strip() else ""
    return f"{release}~git{commit}{dirty}" if commit else release


def build(given: str = None, place: Path = OUT / "deb") -> Path:
    """Returns the package, built anew in `place`, which is emptied first. Raises `Failure` if this is no machine to
    build it on, or if the build or lintian fails."""
    if os.uname().machine != "x86_64":
        raise Failure("the package is built on amd64 only, as its kernels are")
    its = version(given)
    log = new_log("deb")
    tree = place / f"rust-virtio-{its}"
    shutil.rmtree(place, ignore_errors=True)
    _tree(tree, its)
    say(f"Building rust-virtio-dkms {its}; log: {log}")
    epoch = output(["git", "-C", REPO, "log", "-1", "--format=%ct"]).strip() or "0"
    script = ("set -e; cd \"$1\"; dpkg-buildpackage -b -uc -us; cd ..; "
              "lintian --fail-on error,warning --pedantic --tag-display-limit 0 ./*.changes")
    try:
        if _here():
            run(["sh", "-c", script, "deb", tree], log, "package",
                env={"SOURCE_DATE_EPOCH": epoch, "LC_ALL": "C.UTF-8"})
        else:
            _check_root()
            root = debroot.Root("deb", "trixie", _TOOLS)
            root.run(["sh", "-c", script, "deb", f"/deb/{tree.name}"], log, "package",
                     binds=[(place, "/deb")], env={"SOURCE_DATE_EPOCH": epoch})
    finally:
        shutil.rmtree(tree, ignore_errors=True)
    found = list(place.glob("rust-virtio-dkms_*_all.deb"))
    if len(found) != 1:
        raise Failure(f"the build left no package in {place}\nLog: {log}")
    return found[0]


def _here() -> bool:
    """Returns whether this machine is one that the package can be built on as it is."""
    if debian.release()[:2] != ("debian", "trixie") or not shutil.which("lintian"):
        return False
    return subprocess.run(["dpkg-checkbuilddeps", REPO / "packaging" / "debian" / "control"],
                          capture_output=True, check=False).returncode == 0


def _check_root() -> None:
    """Checks that this user can make a Debian root. Raises a `Failure` that names what to install or to set
    up if not."""
    commands = {"mmdebstrap": "mmdebstrap", **({"newuidmap": "uidmap"} if os.geteuid() else {})}
    missing = [package for command, package in commands.items() if not shutil.which(command)]
    if missing:
        raise Failure("the package is built in a Debian 13 root, and what makes one is not installed: "
                      f"sudo apt install {' '.join(missing)} (or make setup)")
    if os.geteuid():
        user = pwd.getpwuid(os.geteuid()).pw_name
        for kind in ("uid", "gid"):
            ranges = Path(f"/etc/sub{kind}")
            if not ranges.exists() or not re.search(rf"^({re.escape(user)}|{os.geteuid()}):", ranges.read_text(), re.M):
                raise Failure(f"the package is built in a Debian 13 root, and {user} has no ids for its "
                              f"files in {ranges}: sudo usermod --add-sub{kind}s 100000-165535 {user}")


def _tree(tree: Path, its: str) -> None:
    """Makes a source tree with debian/ at its top."""
    for name in files():
        source = REPO / name
        if not source.is_file() or name.split("/")[0] in ("selftests", "tools"):
            continue
        dest = tree / (name.removeprefix("packaging/") if name.startswith("packaging/debian/") else name)
        dest.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, dest)
    changelog = tree / "debian" / "changelog"
    changelog.write_text(re.sub(r"\(([^)]+)\)", f"({its})", changelog.read_text(), count=1))
