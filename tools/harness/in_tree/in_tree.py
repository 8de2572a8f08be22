# SPDX-License-Identifier: GPL-2.0
"""`harness.py in-tree`: puts the drivers and the ring into a kernel tree, as a branch or a copy.

Two kinds of trees: a git tree gets one commit on a branch of its own (see branch.py), any
other tree is copied to DEST. See docs/in-tree.md.
"""

import argparse
import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

from .. import files, variables
from ..build import source
from ..paths import REPO, log_dir
from ..proc import run
from ..say import Failure, say
from . import branch

#: Where in a kernel tree everything goes.
PLACE = "drivers/virtio/rust"

#: What the kernel's own files are changed by, and which those are.
PATCH = REPO / "tools" / "in-tree" / "virtio.patch"
PATCHED = ("drivers/virtio/Kconfig", "drivers/virtio/Makefile")

#: What of this tree the kernel builds from, and what below that it does not.
_PARTS = ("Kbuild", "Kconfig", "*.rs", "blk/**/*", "abstractions/**/*", "net/**/*", "samples/**/*",
          "virtqueue/**/*", "selftests/device/**/*", "selftests/kunit/**/*")
_NAMES = (".rs", ".c", ".h", "/bindgen_parameters", "/Kbuild", "/Kconfig")
_HOST_ONLY = ("virtqueue/ring/tests/", "virtqueue/ring/fuzz/", "virtqueue/ring/benches/",
              "virtqueue/ring/target/", "virtqueue/ring/lib.rs", "virtqueue/ring/host.rs")
_GENERATED = ("_generated.rs", "_generated.h", ".mod.c")

#: Lists what was put into a copy, with checksums, so that changes made there are noticed.
_MANIFEST = f"{PLACE}/.placed"


def parts() -> dict:
    """Returns path in a kernel tree -> our file, for all that is added to one."""
    found = {f"{PLACE}/.gitignore": REPO / "tools" / "in-tree" / "gitignore",
             f"{PLACE}/.kunitconfig": REPO / "tools" / "in-tree" / "kunitconfig"}
    for pattern in _PARTS:
        for path in REPO.glob(pattern):
            name = str(path.relative_to(REPO))
            if (path.is_file() and f"/{name}".endswith(_NAMES)
                    and not name.startswith(_HOST_ONLY) and not name.endswith(_GENERATED)):
                found[f"{PLACE}/{name}"] = path
    return dict(sorted(found.items()))


def patched(read) -> dict:
    """Returns path -> content of the kernel's files as they have to be; `read(path)` gives them as they are, with our
    changes or without. Raises `Failure` if the changes do not fit the tree."""
    with tempfile.TemporaryDirectory(prefix="harness-in-tree-") as scratch:
        for name in PATCHED:
            target = Path(scratch, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(read(name))
        # As it is when the change can be taken back.
        if _patch(scratch, "--reverse", "--dry-run").returncode:
            done = _patch(scratch)
            if done.returncode:
                raise Failure(f"the tree's {' and '.join(PATCHED)} are not what "
                              f"{PATCH.relative_to(REPO)} was made for:\n{done.stdout}"
                              f"{done.stderr}")
        return {name: Path(scratch, name).read_bytes() for name in PATCHED}


def _patch(directory: str, *options: str):
    argv = ["patch", "-p1", "--force", "--no-backup-if-mismatch", "--reject-file=-", *options,
            "-d", directory, "-i", str(PATCH)]
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise Failure("patch is not installed")


def place(tree: Path, base: Path = None) -> int:
    """Brings the drivers in a tree up to date, and returns how many files that changed.

    What has the right content already is not touched: what was built from it stays valid. `base` is
    the tree that this one is a copy of, if nobody works in the copy: what is different there is from
    a run that was interrupted.

    Raises `Failure` if files that this put there were changed since.
    """
    contents = {name: path.read_bytes() for name, path in parts().items()}
    contents |= patched(lambda name: ((base or tree) / name).read_bytes())
    before = _manifest(tree)
    if not base:
        _check_unchanged(tree, before, contents)
    changed = 0
    for name, data in contents.items():
        changed += _write(tree / name, data)
    for name in sorted(set(before) - set(contents)):
        (tree / name).unlink(missing_ok=True)
        changed += 1
    sums = {name: _sum(data) for name, data in contents.items()}
    _write(tree / _MANIFEST, (json.dumps(sums, indent=1) + "\n").encode())
    return changed


def _manifest(tree: Path) -> dict:
    try:
        return json.loads((tree / _MANIFEST).read_text())
    except FileNotFoundError:
        return {}
    except json.JSONDecodeError:
        raise Failure(f"{tree / _MANIFEST} is damaged: remove {tree / PLACE}, and run this again")


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _check_unchanged(tree: Path, before: dict, contents: dict) -> None:
    """Refuses to overwrite what somebody worked on in the tree."""
    edited = []
    for name, known in before.items():
        path = tree / name
        now = path.read_bytes() if path.is_file() else None
        if name not in PATCHED and now != contents.get(name) and (now is None or _sum(now) != known):
            edited.append(name)
    if edited:
        raise Failure(f"{tree}: changed there since the drivers were put there, and would be lost:"
                      "\n    " + "\n    ".join(edited)
                      + "\nMake the changes here, or put the files back as they were")
    if not before and (tree / PLACE).exists():
        raise Failure(f"{tree / PLACE} exists, and is not from this: remove it")


def _write(path: Path, data: bytes) -> bool:
    """Writes a file that may have other names elsewhere; returns whether it was different."""
    if path.is_file() and path.read_bytes() == data:
        return False
    with files.whole(path) as part:
        part.write_bytes(data)
        part.chmod(0o644)
    return True


def copy(tree: Path, dest: Path) -> None:
    """Copies a source tree, sharing blocks with it where the file system can."""
    log = log_dir() / "in-tree.log"
    say(f"Copying {tree} to {dest}; log: {log}")
    with files.whole(dest) as part:
        run(["cp", "-aT", "--reflink=auto", tree, part], log, "copying of the kernel tree")


def _to_copy(tree: Path, dest: Path) -> None:
    """Makes or updates the tree at `dest`."""
    empty = not dest.exists() or (dest.is_dir() and not any(dest.iterdir()))
    if dest == tree or tree in dest.parents:
        raise Failure(f"DEST={dest} is in the tree that is to be copied")
    if not empty and not (dest / _MANIFEST).exists():
        raise Failure(f"DEST={dest} exists, and is not a tree that this made: name another place")
    if empty:
        # Whether the changes fit is known before a gigabyte is copied.
        patched(lambda name: (tree / name).read_bytes())
        copy(tree, dest)
    elif source.version(dest) != source.version(tree):
        raise Failure(f"DEST={dest} is Linux {source.version(dest)}, and KSRC= is "
                      f"{source.version(tree)}: remove DEST, or name another place")
    changed = place(dest)
    say(f"{dest}: {changed} files put into {PLACE} and drivers/virtio" if changed else
        f"{dest}: everything is there already")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    variables.option(parser, "--dest", "the copy to make or to update")
    parser.add_argument("--branch", default=os.environ.get("BRANCH") or "rust-virtio",
                        help="the branch in a git tree (also BRANCH=; default rust-virtio)")


def main(args) -> int:
    """Puts the drivers into the tree that KSRC= names, or a copy of it."""
    dest = Path(args.dest).expanduser().resolve() if args.dest else None
    if not dest and not os.environ.get("KSRC"):
        raise Failure("say which kernel tree: KSRC=dir for a git tree, which gets a branch; "
                      "DEST=dir for a copy, of KSRC= or else of the source that is fetched here")
    tree = source.ensure()
    git = branch.is_git(tree)
    if not dest and not git:
        raise Failure(f"KSRC={tree} is not a git tree, where a branch could be made: "
                      "say with DEST= where the copy goes")
    if git:
        dest = branch.to_branch(tree, dest, args.branch)
    else:
        _to_copy(tree, dest)
    say(f"make -C {dest} menuconfig shows them below Device Drivers, Virtio drivers; CONFIG_RUST=y is needed")
    return 0
