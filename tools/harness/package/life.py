# SPDX-License-Identifier: GPL-2.0
"""The life of the Debian package, from installation to purge, in a Debian 13 root that is thrown away
(packaging/tests/in-root.sh)."""

import contextlib
import re
import shutil
import tempfile
from pathlib import Path

from .. import files, lock
from ..host import debroot
from ..paths import REPO, cache
from ..proc import CommandFailed
from ..say import Failure, say
from . import deb

#: A root with as little as Debian allows: the script installs what a user would.
_ROOT = debroot.Root("package", "trixie")

#: Of the two packages, oldest first.
_VERSIONS = ["0~test1", "0~test2"]

#: Three kernels with their headers, compilers, and the metadata of the kernels' Rust crates.
_SPACE_GB = 12


def run(log: Path) -> None:
    """Builds two versions of the package and takes them through the script. Raises `Failure` naming the tests that
    failed."""
    place = cache() / "roots" / "package-life"
    archives = cache() / "apt" / "package-trixie"
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    files.check_space(archives, _SPACE_GB, "the life of the package")
    with lock.only_one(place), tempfile.TemporaryDirectory(prefix="harness-deb-") as scratch, \
            contextlib.ExitStack() as ending:
        packages = []
        for version in _VERSIONS:
            built = deb.build(version, Path(scratch, version))
            packages.append(f"/test/{version}/{built.name}")
        # A copy, as a shell reads its script while it runs it.
        shutil.copy(REPO / "packaging" / "tests" / "in-root.sh", scratch)
        # A run that was killed may have left one: it is replaced.
        _ROOT.copy(place, log)
        ending.callback(debroot.Root.remove, place, log)
        say(f"Life of the package: half an hour and more; log: {log}")
        try:
            printed = _ROOT.run(["nice", "sh", "/test/in-root.sh", *packages], log, "in-root.sh", place,
                                [(scratch, "/test:ro"), (archives, "/var/cache/apt/archives")])
        except CommandFailed as failed:
            names = re.findall(r"^not ok .*$", failed.printed, re.M)
            raise Failure("\n".join(names) + f"\nLog: {log}" if names else str(failed))
        say(f"Life of the package: {len(re.findall('^ok [0-9]+', printed, re.M))} tests passed")
