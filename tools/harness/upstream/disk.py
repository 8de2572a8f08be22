# SPDX-License-Identifier: GPL-2.0
"""The root file system of guests that run the kernel's own tests: Debian 13 with those tests, which are built from
the kernel's source by their own makefiles."""

import tempfile
from pathlib import Path

from .. import files, lock
from ..build import source, stock
from ..host import debian, debroot
from ..paths import GUEST_SCRIPTS, cache, log_dir
from ..proc import run
from ..report import parts
from ..say import Failure, say

SUITE = "trixie"

#: The kernel that the guests boot.
KERNEL = "debian"

#: What the tests call, and what the guest's scripts do.
PACKAGES = ["bpftrace", "bsdextrautils", "busybox", "e2fsprogs", "ethtool", "iperf3", "iproute2", "iputils-arping",
            "iputils-ping", "jq", "kmod", "libmnl0", "liburing2", "lldpad", "netcat-openbsd", "netsniff-ng", "procps",
            "psmisc", "python3", "python3-jsonschema", "python3-yaml", "socat", "strace", "tcpdump", "util-linux",
            "xdp-tools"]

#: It is of the kernel's version.
BACKPORTS = ["bpftool"]

#: Of a later Debian, unpacked over that one: xdp-tools of Debian 13 need a trace point that this kernel no longer has.
LATER_SUITE = "forky"
LATER = ["xdp-tools", "libxdp1", "libbpf1"]

#: What the tests are built by.
COMPILERS = ["gcc", "make", "rsync", "clang", "llvm", "libelf-dev", "zlib1g-dev", "libcap-dev", "libmnl-dev",
             "libssl-dev", "liburing-dev", "libnuma-dev", "pkg-config", "flex", "bison", "bc", "python3",
             "python3-yaml", "python3-jsonschema"]

#: Where the tests are in the file system.
PLACE = "/usr/libexec/kselftests"

#: Bump when the way the disk is made changes.
_RECIPE = "1"
_SIZE = "2500M"
_BUILD = "upstream-build.sh"

#: Fills the file system: ROOT TESTS PLACE DISK SIZE.
_FILL = """
mkdir -p "$1$3" && cp -a "$2/." "$1$3" && rm -rf "$1"/usr/share/doc/* "$1"/usr/share/man/* "$1"/var/lib/apt/lists/* &&
	mke2fs -q -t ext4 -L harness-root -O ^has_journal -d "$1" "$4" "$5"
"""


def _roots() -> tuple:
    """Returns the root that is copied to the disk, and the one with compilers."""
    return debroot.Root("upstream", SUITE, PACKAGES, BACKPORTS), debroot.Root("upstream-build", SUITE, COMPILERS)


def ensure() -> Path:
    """Returns the disk, making it if it is not in the cache."""
    tree, kdir = source.ensure(), stock.directory(KERNEL)
    used, compilers = _roots()
    key = files.key(" ".join([_RECIPE, _SIZE, str(tree), source.version(tree), kdir.name, used.place().name,
                              compilers.place().name, LATER_SUITE, *LATER, (GUEST_SCRIPTS / _BUILD).read_text()]))
    image = cache() / "images" / f"upstream-{key}.ext4"
    with lock.only_one(image):
        if not image.exists():
            with parts.made("disk with the kernel's tests"):
                _make(image, tree, _types(kdir), used, compilers)
    return image


def _types(kdir: Path) -> Path:
    """Returns the file with the types of a kernel from packages, which is among its headers."""
    found = sorted(kdir.glob("root/usr/src/linux-headers-*/vmlinux"))
    if not found:
        raise Failure(f"the headers in {kdir} have no vmlinux")
    return found[0]


def _later(into: Path, log: Path) -> list:
    """Returns the packages of the later Debian."""
    apt = debian.Apt(f"upstream-{LATER_SUITE}", [LATER_SUITE], log)
    apt.update()
    return [apt.download(name, into) for name in LATER]


def _make(image: Path, tree: Path, types: Path, used: debroot.Root, compilers: debroot.Root) -> None:
    """Builds the tests, and fills a file system, which is in its place when it is whole."""
    log = log_dir() / "upstream-disk.log"
    used.ensure(log)
    compilers.ensure(log)
    say(f"Building the network tests of Linux {source.version(tree)}; log: {log}")
    image.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="upstream-", dir=image.parent) as scratch:
        root, built, part = Path(scratch, "root"), Path(scratch, "tests"), Path(scratch, "disk.ext4")
        built.mkdir()
        compilers.run(["sh", f"/harness/{_BUILD}", "/source", "/headers/vmlinux", "/tests"], log,
                      "build of the kernel's tests", binds=[(GUEST_SCRIPTS, "/harness"), (tree, "/source:ro"),
                                                            (types.parent, "/headers:ro"), (built, "/tests")])
        try:
            used.copy(root, log)
            for deb in _later(Path(scratch), log):
                run([*debroot.as_root(), "dpkg-deb", "-x", deb, root], log, f"unpacking of {deb.name}")
            run([*debroot.as_root(), "sh", "-c", _FILL, "sh", root, built, PLACE, part, _SIZE], log, "mke2fs")
        finally:
            debroot.Root.remove(root, log)
        part.rename(image)
    say(f"Disk with the kernel's tests: {image}")
