# SPDX-License-Identifier: GPL-2.0
"""Disks of Debian 13 guests with Debian's own kernels: fresh, and with our package installed.

A disk is an ext4 file system that was filled on the host: its root is a Debian root of the cache
(debroot.py), set up by tools/guest/stock-prepare.sh and, for the second kind, by apt.
"""

import hashlib
import subprocess
import tempfile
from pathlib import Path

from .. import files, lock
from ..host import debroot
from ..paths import GUEST_SCRIPTS, cache
from ..proc import run
from ..say import Failure, say

SUITE = "trixie"

#: A system with systemd, what the selftests use, and Debian's default kernel, which is too old for
#: the drivers and stays beside the one that is not.
PACKAGES = ["systemd", "systemd-sysv", "udev", "dbus", "initramfs-tools", "busybox", "zstd", "kmod",
            "apt", "bsdextrautils", "e2fsprogs", "ethtool", "fdisk", "fio", "hdparm", "iperf3",
            "iproute2", "iputils-ping", "jq", "parted", "procps", "python3-minimal", "socat",
            "tcpdump", "util-linux", "linux-image-cloud-amd64"]

#: The kernel that the drivers are for.
BACKPORTS = ["linux-image-amd64"]

#: Bump when the way disks are made changes.
_RECIPE = "2"
_SIZE = "8G"

#: Of the root file system, for the kernel's command line and for fstab.
UUID = "6f0c5b2e-3f1d-4c55-9a55-7d1b1f4d2a31"

#: Disks with the package that are kept; each is of some gigabytes.
_KEPT = 2


def _root() -> debroot.Root:
    return debroot.Root("stock", SUITE, PACKAGES, BACKPORTS)


def _key(*parts: str) -> str:
    return files.key("\0".join([_RECIPE, _SIZE, UUID, _root().place().name, *parts]))


def _script(name: str) -> str:
    return (GUEST_SCRIPTS / name).read_text()


def fresh(log: Path) -> Path:
    """Returns a disk of a system that knows nothing of us, making it if it is not there."""
    image = cache() / "images" / f"stock-fresh-{_key(_script('stock-prepare.sh'))}.ext4"
    with lock.only_one(image):
        if not image.exists():
            _make(image, None, log)
    return image


def installed(deb: Path, log: Path) -> Path:
    """Returns a disk of a system where apt has installed the package `deb`.

    The package is installed on the host, in the root of the disk: its modules are built by DKMS,
    which takes minutes, and would take an hour in an emulated guest.
    """
    key = _key(_script("stock-prepare.sh"), _script("stock-install.sh"), hashlib.sha256(_contents(deb)).hexdigest())
    image = cache() / "images" / f"stock-installed-{key}.ext4"
    with lock.only_one(image):
        if image.exists():
            image.touch()
        else:
            _make(image, deb, log)
            others = sorted(image.parent.glob("stock-installed-*.ext4"),
                            key=lambda path: path.stat().st_mtime, reverse=True)
            for old in others[_KEPT:]:
                old.unlink()
    return image


def _contents(deb: Path) -> bytes:
    """Returns what a package brings, without the times at which it was packed."""
    parts = []
    for option in ("--ctrl-tarfile", "--fsys-tarfile"):
        packed = subprocess.run(["dpkg-deb", option, str(deb)], check=False, capture_output=True)
        if packed.returncode:
            raise Failure(f"{deb} is no Debian package: {packed.stderr.decode(errors='replace').strip()}")
        listed = subprocess.run(["tar", "-xO", "--to-command", "echo \"$TAR_REALNAME $TAR_MODE\"; cat"],
                                input=packed.stdout, check=True, stdout=subprocess.PIPE,
                                stderr=subprocess.DEVNULL)
        parts.append(listed.stdout)
    return b"\0".join(parts)


def _make(image: Path, deb: Path, log: Path) -> None:
    """Fills a file system and puts it in its place when it is whole."""
    root = _root()
    root.ensure(log)
    say(f"Making a disk of Debian {SUITE} with its own kernel"
        f"{f', and {deb.name} installed in it' if deb else ''}; log: {log}")
    image.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="stock-", dir=image.parent) as scratch:
        tree, part = Path(scratch, "root"), Path(scratch, "disk.ext4")
        try:
            root.copy(tree, log)
            root.run(["sh", "/harness/stock-prepare.sh"], log, "set-up of the disk", tree,
                     [(GUEST_SCRIPTS, "/harness")], {"HARNESS_UUID": UUID})
            if deb:
                root.run(["sh", "/harness/stock-install.sh", f"/deb/{deb.name}"], log,
                         f"apt install ./{deb.name}", tree,
                         [(GUEST_SCRIPTS, "/harness"), (deb.parent, "/deb"),
                          (_archives(), "/var/cache/apt/archives"), (_kept(), "/harness-kept")],
                         {"HARNESS_SUITE": SUITE})
            run([*debroot.as_root(), "sh", "-c",
                 "rmdir \"$1/harness\" \"$1/deb\" \"$1/harness-kept\" 2>/dev/null; "
                 "mke2fs -q -t ext4 -L harness-root -U \"$2\" -d \"$1\" \"$3\" \"$4\"",
                 "sh", tree, UUID, part, _SIZE], log, "mke2fs")
        finally:
            debroot.Root.remove(tree, log)
        part.rename(image)


def _archives() -> Path:
    """Returns the directory of packages that were fetched for such disks."""
    place = cache() / "apt" / f"stock-{SUITE}"
    (place / "partial").mkdir(parents=True, exist_ok=True)
    return place


def _kept() -> Path:
    """Returns the directory of what packages make once for a kernel."""
    place = cache() / "stock-metadata"
    place.mkdir(parents=True, exist_ok=True)
    return place
