# SPDX-License-Identifier: GPL-2.0
"""A bare Debian for one user, with a clone of this tree in it: a copy of a root, thrown away afterwards."""

import contextlib
import os
import tempfile
from pathlib import Path

from .. import lock, tree
from ..host import debian, debroot
from ..paths import cache
from ..proc import run
from ..say import Failure

#: The release -> its name on a line.
RELEASES = {"bookworm": "Debian 12", "trixie": "Debian 13"}
#: Root, and an ordinary user with sudo.
USERS = ["root", "user"]

#: The one thing to begin with, and the way of an ordinary user to the rest.
_PACKAGES = ["make", "sudo"]

#: The search path of an ordinary user has no sbin.
_PATH = {"root": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
         "user": "/usr/local/bin:/usr/bin:/bin:/usr/local/games:/usr/games"}

#: Arguments: user, home, the cache.
_PREPARE = r"""
set -e
if [ "$1" != root ]; then
	useradd --create-home --shell /bin/bash "$1"
	echo "$1 ALL=(ALL) NOPASSWD:ALL" >"/etc/sudoers.d/$1"
fi
# Kernels name what they were built in, so that the cache has the name that it has outside.
mkdir -p "$3/apt/setup/cache/archives" "$2/.cache"
if [ "$1" != root ]; then
	top=$3
	while top=${top%/*}; [ "$top" ]; do
		chmod a+x "$top"
	done
fi
[ "$3" = "$2/.cache/rust-virtio" ] || ln -s "$3" "$2/.cache/rust-virtio"
rm -rf /etc/apt/sources.list /etc/apt/sources.list.d
mkdir /etc/apt/sources.list.d
cp /mnt/harness/debian.sources /etc/apt/sources.list.d/
cp -R /mnt/harness/clone "$2/rust-virtio"
# As images for containers have it: nobody needs these files after a power cut.
echo force-unsafe-io >/etc/dpkg/dpkg.cfg.d/speed
chown -R "$1:" "$2/rust-virtio" "$2/.cache" "$3"
"""

_GET_PYTHON = ("apt-get update && apt-get install -y --no-install-recommends python3 && "
               "find /var/lib/apt/lists -type f -delete")


def root(suite: str) -> debroot.Root:
    """Returns the bare root of a release."""
    return debroot.Root("fresh", suite, _PACKAGES)


class Machine:
    """A bare machine. `with` makes it and throws it away; `KEEP=1` keeps it."""

    def __init__(self, suite: str, user: str, log: Path):
        self.suite = suite
        self.user = user
        self.log = log
        self.home = "/root" if user == "root" else f"/home/{user}"
        self.tree = f"{self.home}/rust-virtio"
        self.cache = str(cache())
        self.place = cache() / "roots" / f".fresh-{suite}-{user}"
        self._root = root(suite)
        self._binds = []
        self._archives = cache() / "apt" / f"fresh-{suite}"
        self._ending = contextlib.ExitStack()
        #: For files of whoever uses the machine.
        self.scratch = None

    def __enter__(self):
        with contextlib.ExitStack() as ending:
            # One machine of a release at a time: they share the archives.
            ending.enter_context(lock.only_one(self._archives))
            if not os.environ.get("KEEP"):
                ending.callback(self._root.remove, self.place, self.log)
            self.scratch = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="harness-fresh-")))
            self._make(self.scratch)
            self._ending = ending.pop_all()
        return self

    def __exit__(self, *_):
        self._ending.close()

    def _make(self, scratch: Path) -> None:
        self._root.copy(self.place, self.log)
        stage = scratch / "stage"
        (stage / "clone").mkdir(parents=True)
        tree.copy(stage / "clone", self.log)
        (stage / "debian.sources").write_text(_sources(self.suite))
        stage.chmod(0o755)
        self._root.run(["sh", "-c", _PREPARE, "sh", self.user, self.home,
                        self.cache], self.log, "preparation of the bare machine", root=self.place,
                       binds=[(stage, "/mnt/harness:ro")])
        (self._archives / "partial").mkdir(parents=True, exist_ok=True)
        self._binds = [(self._archives, f"{self.cache}/apt/setup/cache/archives"), *_tun(scratch, self.log)]

    def run(self, command: str, what: str, binds=(), env=None, prefix=()) -> None:
        """Runs a shell command as the user, in the clone.

        `prefix` is what root of the machine runs it by.

        Raises `Failure` if the command fails.
        """
        words = ["sh", "-c", f"cd {self.tree} && {command}"]
        if self.user != "root":
            words = ["/usr/sbin/runuser", "-u", self.user, "--", *words]
        self._root.run([*prefix, *words], self.log, what, root=self.place,
                       binds=[*self._binds, *binds],
                       env={"HOME": self.home, "USER": self.user, "LOGNAME": self.user,
                            "PATH": _PATH[self.user], "LC_ALL": "C.UTF-8", **(env or {})})

    def as_root(self, command: str, what: str) -> None:
        """Runs a shell command as root of the machine."""
        self._root.run(["sh", "-c", command], self.log, what, root=self.place, binds=self._binds)

    def get_python(self) -> None:
        """Makes this a machine that has Python, but no lists of packages, as many images are."""
        self.as_root(_GET_PYTHON, "installation of python3")

    def read(self, name: str) -> str:
        """Returns the text of a file in the clone, "" if there is none."""
        path = self.place / self.tree[1:] / name
        try:
            return path.read_text()
        except OSError:
            return ""


def _sources(suite: str) -> str:
    """Returns the package sources that Debian's installer and images write."""
    main, security = debian.mirrors()
    parts = [(main, f"{suite} {suite}-updates"), (security, f"{suite}-security")]
    return "\n".join(f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: main\n"
                     "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n"
                     for uri, suites in parts if uri)


def _tun(scratch: Path, log: Path) -> list:
    """Returns a bind of a /dev/net/tun as most systems have it: for every user."""
    if os.geteuid() or os.stat("/dev/net/tun").st_mode & 0o6 == 0o6:
        return []
    node = scratch / "tun"
    run(["mknod", "-m", "666", node, "c", "10", "200"], log, "mknod")
    return [(node, "/dev/net/tun")]


def why_not(user: str) -> str:
    """Returns why there can be no machine for a user here, "" if there can."""
    if not os.path.exists("/dev/net/tun"):
        return "/dev/net/tun is missing"
    if user != "root" and os.geteuid():
        return "a user's range of ids cannot be made of a part of another user's: needs root"
    return ""


def check_release() -> None:
    """Checks that roots can be made on this machine. Raises `Failure` if they cannot."""
    if not debian.is_debian():
        raise Failure("bare Debian roots are made from the package sources of a Debian machine")
