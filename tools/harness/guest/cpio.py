# SPDX-License-Identifier: GPL-2.0
"""Writes an initramfs: a cpio archive in the "newc" format, uncompressed.

Written by hand so that neither root nor a scratch directory is needed.
"""

import stat
from pathlib import Path


class Cpio:
    """An archive being built in memory."""

    def __init__(self):
        self._parts = []
        self._ino = 0
        self._dirs = set()

    def _entry(self, name: str, mode: int, data: bytes = b"", rdev=(0, 0)) -> None:
        self._ino += 1
        raw = name.encode() + b"\0"
        fields = (self._ino, mode, 0, 0, 1, 0, len(data), 0, 0, rdev[0], rdev[1], len(raw), 0)
        head = b"070701" + b"".join(b"%08X" % f for f in fields)
        self._parts.append(_pad(head + raw))
        self._parts.append(_pad(data))

    def directory(self, name: str) -> None:
        """Adds a directory and its parents, once."""
        name = name.strip("/")
        if not name or name in self._dirs:
            return
        self.directory(str(Path(name).parent) if "/" in name else "")
        self._dirs.add(name)
        self._entry(name, stat.S_IFDIR | 0o755)

    def add(self, name: str, data: bytes, mode: int = 0o644) -> None:
        """Adds a regular file."""
        name = name.strip("/")
        self.directory(str(Path(name).parent) if "/" in name else "")
        self._entry(name, stat.S_IFREG | mode, data)

    def add_file(self, name: str, source: Path, mode: int = None) -> None:
        """Adds a copy of the file `source`, keeping its mode unless told otherwise."""
        self.add(name, source.read_bytes(), mode or (source.stat().st_mode & 0o777))

    def symlink(self, name: str, target: str) -> None:
        """Adds a symbolic link."""
        self._entry(name.strip("/"), stat.S_IFLNK | 0o777, target.encode())

    def device(self, name: str, major: int, minor: int) -> None:
        """Adds a character device."""
        self.directory(str(Path(name.strip("/")).parent))
        self._entry(name.strip("/"), stat.S_IFCHR | 0o600, rdev=(major, minor))

    def write(self, path: Path) -> None:
        """Ends the archive and writes it."""
        self._entry("TRAILER!!!", 0)
        path.write_bytes(b"".join(self._parts))


def _pad(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % 4)
