# SPDX-License-Identifier: GPL-2.0
"""Puts the drivers into a git tree of the kernel: as one commit, on a branch of its own.

The commit is made without a checkout. The work tree, the index and the branch that is checked out
stay as they are, unless that branch is the very one.
"""

import os
import subprocess
import tempfile
from pathlib import Path

from ..paths import log_dir
from ..proc import run
from ..say import Failure, say
from . import in_tree

_SUBJECT = "virtio: add drivers and a ring in Rust"
_MESSAGE = f"""{_SUBJECT}

Add rust_virtio_net and rust_virtio_blk, which serve the devices of
virtio_net and virtio_blk, the bus under them, and a ring that can be
chosen in place of virtio_ring.
"""


def is_git(tree: Path) -> bool:
    """Returns whether a directory is the top of a git tree that has a commit."""
    return (tree / ".git").exists() and bool(_git(tree, "rev-parse", "-q", "--verify", "HEAD", check=False))


def to_branch(tree: Path, dest, name: str) -> Path:
    """Makes or updates branch `name` of a tree, or of a clone of it at `dest`; returns which. Raises `Failure` if the
    tree has changes that are not committed, or if the drivers do not fit it."""
    if not dest:
        _check_clean(tree)
        commit(tree, name)
        return tree
    if not dest.exists() or not any(dest.iterdir()):
        _check_clean(tree)
        log = log_dir() / "in-tree.log"
        say(f"Cloning {tree} to {dest}; log: {log}")
        run(["git", "clone", "--quiet", tree, dest], log, "git clone")
    elif not is_git(dest) or not _tip(dest, name):
        raise Failure(f"DEST={dest} exists, and is not a tree that this made: name another place")
    _check_clean(dest)
    commit(dest, name)
    _git(dest, "checkout", "--quiet", name)
    return dest


def commit(tree: Path, name: str) -> None:
    """Makes or updates the branch.

    A branch of that name is gone on with: a commit of ours at its tip is replaced, and what others
    committed on it stays below.
    """
    ref = f"refs/heads/{name}"
    old = _tip(tree, name)
    base = old or _git(tree, "rev-parse", "HEAD")
    ours = old and _git(tree, "log", "-1", "--format=%s", old) == _SUBJECT
    parent = _git(tree, "rev-parse", f"{base}^") if ours else base
    fresh = _tree(tree, parent)
    if fresh == _git(tree, "rev-parse", f"{base}^{{tree}}"):
        say(f"{tree}: branch {name} has everything already")
        return
    new = _git(tree, "commit-tree", fresh, "-p", parent, data=_MESSAGE.encode())
    if _git(tree, "symbolic-ref", "-q", "HEAD", check=False) == ref:
        _git(tree, "read-tree", "-m", "-u", "HEAD", new)
    elif _elsewhere(tree, ref):
        raise Failure(f"{tree}: branch {name} is checked out in another work tree: "
                      "switch that to another branch, or choose another name with BRANCH=")
    _git(tree, "update-ref", "-m", _SUBJECT, ref, new, old or "")
    say(f"{tree}: branch {name} is {new[:12]}, one commit on {parent[:12]}")


def _tip(tree: Path, name: str) -> str:
    return _git(tree, "rev-parse", "-q", "--verify", f"refs/heads/{name}^{{commit}}", check=False)


def _elsewhere(tree: Path, ref: str) -> bool:
    return f"branch {ref}" in _git(tree, "worktree", "list", "--porcelain").splitlines()


def _tree(tree: Path, parent: str) -> str:
    """Writes the files of a commit with ours in place, and returns the name of that tree."""
    def read(name: str) -> bytes:
        return _git(tree, "cat-file", "blob", f"{parent}:{name}", raw=True)

    contents = {name: path.read_bytes() for name, path in in_tree.parts().items()}
    contents |= in_tree.patched(read)
    with tempfile.TemporaryDirectory(prefix="harness-in-tree-") as scratch:
        env = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
        _git(tree, "read-tree", parent, env=env)
        _git(tree, "rm", "-r", "--cached", "--quiet", "--ignore-unmatch", in_tree.PLACE, env=env)
        files = []
        for number, data in enumerate(contents.values()):
            files.append(Path(scratch, str(number)))
            files[-1].write_bytes(data)
        blobs = _git(tree, "hash-object", "-w", "--no-filters", "--stdin-paths",
                     data="".join(f"{path}\n" for path in files).encode()).split()
        entries = "".join(f"100644 {blob}\t{name}\n" for name, blob in zip(contents, blobs))
        _git(tree, "update-index", "--add", "--index-info", data=entries.encode(), env=env)
        return _git(tree, "write-tree", env=env)


def _check_clean(tree: Path) -> None:
    changed = _git(tree, "status", "--porcelain", "--untracked-files=no").splitlines()
    if changed:
        more = f"\n    and {len(changed) - 10} more" if len(changed) > 10 else ""
        raise Failure(f"{tree} has changes that are not committed, which the branch would lack:\n"
                      + "\n".join(f"    {line}" for line in changed[:10]) + more
                      + "\nCommit them, or put them aside")


def _git(tree: Path, *arguments: str, data: bytes = b"", env=None, check=True, raw=False):
    """Runs git in a tree and returns what it prints, "" if it fails and `check` is false."""
    try:
        done = subprocess.run(["git", "-C", str(tree), *arguments], input=data, check=False,
                              capture_output=True, env=dict(os.environ, **(env or {})))
    except FileNotFoundError:
        raise Failure("git is not installed")
    if done.returncode and check:
        raise Failure(f"git {' '.join(arguments[:2])} failed in {tree}: "
                      + done.stderr.decode(errors="replace").strip())
    if raw:
        return done.stdout
    return done.stdout.decode().strip() if not done.returncode else ""
