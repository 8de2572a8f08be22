# SPDX-License-Identifier: GPL-2.0
"""The root file system of the guests: a minimal Debian in an ext4 image, made once."""

import os
import tempfile
from pathlib import Path

from .. import files, lock
from ..host import debian, debroot
from ..paths import cache, log_dir
from ..proc import program, run
from ..report import parts
from ..say import say

#: What the selftests, the demo and the benchmark use, besides a minimal system.
PACKAGES = ["busybox", "bsdextrautils", "dhcpcd-base", "e2fsprogs", "ethtool", "fdisk", "fio",
            "hdparm", "iperf3", "iproute2", "iputils-ping", "jq", "kmod", "parted",
            "python3-minimal", "sockperf", "socat", "tcpdump", "util-linux"]

#: Bump when the way the image is made changes.
_RECIPE = "4"
_SIZE = "1400M"


def suite() -> str:
    """Returns the Debian suite of the image: the machine's own, or the stable one elsewhere."""
    return debian.release()[1] if debian.is_debian() else "trixie"


def ensure() -> Path:
    """Returns the image, building it if it is not in the cache."""
    key = files.key(" ".join([_RECIPE, suite(), *PACKAGES]))
    image = cache() / "images" / f"root-{suite()}-{key}.ext4"
    if image.exists():
        return image
    with lock.only_one(image):
        if not image.exists():
            _make(image)
    return image


def _make(image: Path) -> None:
    """Builds the image and puts it in its place when it is whole."""
    log = log_dir() / "image.log"
    program("mmdebstrap", "mmdebstrap")
    say(f"Building the guests' root file system ({suite()}); log: {log}")
    image.parent.mkdir(parents=True, exist_ok=True)
    for left in image.parent.glob(f".{image.name}-*"):
        # Its files may belong to user ids that are only root's in a namespace.
        run([*debroot.as_root(), "rm", "-rf", left], log, f"removal of {left}")
    with tempfile.TemporaryDirectory(prefix=f".{image.name}-", dir=image.parent) as scratch, \
            parts.made("root file system of the guests"):
        _build(Path(scratch), image, log)


def _build(scratch: Path, image: Path, log: Path) -> None:
    tree, root, part = scratch / "tree.tar", scratch / "root", scratch / "root.ext4"
    sources = []
    if debian.is_debian():
        apt = debian.Apt("image", [suite(), f"{suite()}-security"], log)
        (scratch / "sources.list").write_text("\n".join(apt.source_lines()) + "\n")
        sources = [str(scratch / "sources.list")]
    mode = "root" if os.geteuid() == 0 else "unshare"
    run(["mmdebstrap", f"--mode={mode}", "--variant=minbase", "--format=tar",
         f"--include={','.join(PACKAGES)}",
         "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-exclude=/usr/share/man/*",
         "--dpkgopt=path-exclude=/usr/share/locale/*",
         "--customize-hook=rm -rf \"$1\"/var/cache/apt/* \"$1\"/var/lib/apt/lists/*",
         "--customize-hook=mkdir -p \"$1\"/lib/modules \"$1\"/mnt",
         # Nothing of the machine that built it stays in the image.
         "--customize-hook=rm -f \"$1\"/etc/apt/sources.list \"$1\"/etc/resolv.conf "
         "\"$1\"/etc/hostname; echo harness > \"$1\"/etc/hostname",
         suite(), tree, *sources], log, "mmdebstrap")
    root.mkdir()
    # Where ownership can be kept.
    run([*debroot.as_root(), "sh", "-c", f"tar -C {root} --exclude=./dev/* -xf {tree} && "
         f"mke2fs -q -t ext4 -L harness-root -O ^has_journal -d {root} {part} {_SIZE} && rm -rf {root}"], log, "mke2fs")
    part.rename(image)
    say(f"Root file system: {image}")
