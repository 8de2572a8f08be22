# SPDX-License-Identifier: GPL-2.0
"""Debian roots: a release with some packages in a directory of the cache, to run commands in.

Used for what must not depend on the machine: the set-up from nothing, and what is built for
Debian's own kernels. Root of the machine is not needed where ordinary users have a range of user
ids (/etc/subuid).
"""

import dataclasses
import os
import tempfile
from pathlib import Path

from .. import files, lock
from ..paths import HOST_SOURCES, cache
from ..proc import program, run
from ..report import parts
from ..say import say
from . import debian

#: Bump when the way roots are made changes.
_RECIPE = "1"
_VARIANT = "minbase"

#: Certificates that the machine trusts besides those of ca-certificates.
_OWN_CERTIFICATES = Path("/usr/local/share/ca-certificates")


_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def _resolv_conf() -> bytes:
    """Returns how the machine resolves names, nothing if it does not."""
    try:
        return Path("/etc/resolv.conf").read_bytes()
    except OSError:
        return b""


def as_root() -> list:
    """Returns the beginning of a command line that makes its command root of a file tree of its own."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-auto", "--map-root-user"]
    return ["unshare", *user, "--mount", "--pid", "--fork", "--kill-child"]


@dataclasses.dataclass
class Root:
    """A Debian root. It is made when it is first asked for, and kept in the cache."""

    name: str
    suite: str
    packages: list = dataclasses.field(default_factory=list)
    #: Packages from the backports suite of the release.
    backports: list = dataclasses.field(default_factory=list)

    def place(self) -> Path:
        """Returns where the root is or goes: named after all that it is made from."""
        text = " ".join([_RECIPE, self.suite, _VARIANT, *self.packages, "/", *self.backports])
        return cache() / "roots" / f"{self.name}-{self.suite}-{files.key(text)}"

    def ensure(self, log: Path) -> Path:
        """Returns the directory, making it if it is not there. Raises `Failure` if there is no network, or Debian lacks
        a package."""
        place = self.place()
        with lock.only_one(place):
            if not place.exists():
                with parts.made(f"Debian root: {self.name}, {self.suite}"):
                    self._make(place, log)
        return place

    def _make(self, place: Path, log: Path) -> None:
        program("mmdebstrap", "mmdebstrap")
        say(f"Making a root of Debian {self.suite} ({self.name}); log: {log}")
        archives = cache() / "apt" / f"roots-{self.suite}"
        archives.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
            sources = Path(scratch, "sources.list")
            sources.write_text("\n".join(self._sources(log)) + "\n")
            fresh = Path(scratch, "root")
            later = " ".join(self.backports)
            try:
                # Not in its own mode for ordinary users: their ids would be others than in as_root().
                run([*(as_root() if os.geteuid() else []), "mmdebstrap", "--mode=root",
                     f"--variant={_VARIANT}", "--format=directory",
                     f"--include={','.join(['ca-certificates', *self.packages])}",
                     # Packages are fetched once for all roots of a release.
                     "--skip=essential/unlink,cleanup/apt/cache", "--setup-hook=mkdir -p \"$1\"/var/cache/apt/archives",
                     f"--setup-hook=sync-in {archives} /var/cache/apt/archives/",
                     *self._trust(),
                     *([f"--customize-hook=chroot \"$1\" apt-get install -y --no-install-recommends "
                        f"-t {self.suite}-backports {later}"] if later else []),
                     f"--customize-hook=sync-out /var/cache/apt/archives {archives}",
                     "--customize-hook=rm -rf \"$1\"/var/cache/apt/archives/*.deb",
                     "--customize-hook=rm -f \"$1\"/etc/resolv.conf; : > \"$1\"/etc/resolv.conf; "
                     "echo harness > \"$1\"/etc/hostname; echo '127.0.0.1 localhost harness' > \"$1\"/etc/hosts",
                     self.suite, fresh, sources], log, f"Debian {self.suite}")
            except BaseException:
                # Files of other ids, which only remove() can take away.
                self.remove(fresh, log)
                raise
            fresh.rename(place)

    def _sources(self, log: Path) -> list:
        """Returns the lines of a sources.list for the release, with its backports."""
        apt = debian.Apt(f"root-{self.suite}", [self.suite, f"{self.suite}-updates",
                                                f"{self.suite}-security",
                                                f"{self.suite}-backports"], log)
        return apt.source_lines()

    @staticmethod
    def _trust() -> list:
        """Returns hooks that give a root the certificates that the machine's owner added."""
        if not _OWN_CERTIFICATES.is_dir() or not any(_OWN_CERTIFICATES.glob("*.crt")):
            return []
        return [f"--customize-hook=sync-in {_OWN_CERTIFICATES} {_OWN_CERTIFICATES}",
                "--customize-hook=chroot \"$1\" update-ca-certificates"]

    def run(self, argv: list, log: Path, what: str, root: Path = None, binds=(), env=None) -> str:
        """Runs a command as root of this root, or of `root`, a copy of it, and returns what it prints.

        `binds` are pairs: a file or directory of the machine, and its name in there, with ":ro"
        behind it if it cannot be written there. The command sees no more of the machine's
        environment than `env` and its proxies.

        Raises `Failure` naming `what` if the command fails.
        """
        place = root or self.ensure(log)
        inside = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                  "HOME": "/root", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
                  "TERM": "dumb", "SSL_CERT_FILE": _CERTIFICATES,
                  **{name: os.environ[name] for name in debian.PROXIES if name in os.environ},
                  **(env or {})}
        with tempfile.NamedTemporaryFile(prefix="harness-resolv-") as resolv:
            # A copy: what runs in there may write it.
            resolv.write(_resolv_conf())
            resolv.flush()
            os.chmod(resolv.name, 0o644)
            binds = [(resolv.name, "/etc/resolv.conf"), *binds]
            return run([*as_root(), HOST_SOURCES / "enter.sh", place,
                        *[f"{Path(outside).resolve()}:{name}" for outside, name in binds], "--",
                        "env", "-i", *[f"{name}={value}" for name, value in inside.items()], *argv], log, what)

    def copy(self, dest: Path, log: Path) -> Path:
        """Makes a copy of the root, to be changed and thrown away with `remove`."""
        place = self.ensure(log)
        self.remove(dest, log)
        dest.parent.mkdir(parents=True, exist_ok=True)
        run([*as_root(), "cp", "-a", "--reflink=auto", place, dest], log, f"copy of {place.name}")
        return dest

    @staticmethod
    def remove(place: Path, log: Path) -> None:
        """Removes a root. Its files may belong to user ids that are only root's there."""
        if place.exists():
            run([*as_root(), "rm", "-rf", "--one-file-system", place], log, f"removal of {place}")
