# SPDX-License-Identifier: GPL-2.0
"""From addresses of a guest's kernel to modules and functions."""

import base64
import binascii
import bisect
import gzip
import hashlib
import shutil
import subprocess
import zlib
from pathlib import Path

from harness.build import kmods
from harness.paths import OUT
from harness.say import Failure

from . import builtins

#: Programs that turn Rust's mangled names into readable ones.
_DEMANGLERS = ("llvm-cxxfilt", "c++filt")

#: The start of a kernel of which no symbol is known.
_NOWHERE = "nowhere"


class Symbols:
    """The functions of one booted kernel, from lines as in its /proc/kallsyms.

    `built_in` is module -> names of functions, for modules that are part of the kernel.
    """

    def __init__(self, text: str, built_in: dict = None):
        found = []
        for line in text.splitlines():
            fields = line.split()
            if len(fields) >= 3 and fields[1] in "tTwW":
                module = fields[3].strip("[]") if len(fields) > 3 else "vmlinux"
                found.append((int(fields[0], 16), fields[2], module))
        if not found:
            raise Failure("no function is named in the symbols")
        found.sort(key=lambda symbol: symbol[0])
        found = builtins.attribute(found, built_in or {})
        self._starts = [symbol[0] for symbol in found]
        self._symbols = found
        if not self._starts[-1]:
            raise Failure("the guest's symbols hide their addresses")

    def find(self, address: int) -> tuple:
        """Returns `(module, function)` of an address."""
        index = bisect.bisect_right(self._starts, address) - 1
        if index < 0:
            return "vmlinux", "?"
        _, name, module = self._symbols[index]
        return module, name

    def addresses(self, names) -> set:
        """Returns the addresses of the functions with the given names."""
        return {start for start, name, _ in self._symbols if name in names}


def kept(kdir: Path) -> Path:
    """Returns where the symbols of a kernel without a System.map are kept once a guest has told them."""
    image = kmods.image(kdir)
    key = hashlib.sha256(image.read_bytes()).hexdigest()[:12]
    return OUT / "bench" / f"System.map-{kmods.release(kdir)}-{key}"


def system_map(kdir: Path) -> str:
    """Returns the text of a kernel's System.map, "" if there is none and no guest has told it yet."""
    for find in (lambda: kdir / "System.map", lambda: kept(kdir)):
        place = find()
        text = place.read_text(encoding="ascii") if place.exists() else ""
        if _start(text) != _NOWHERE:
            return text
    return ""


def unpack(pieces: list, kdir: Path, modules, compiled=()) -> Symbols:
    """Returns the symbols of a guest, from what it printed of /proc/kallsyms, gzip in base64.

    Of the kernel itself they are those of System.map, as printing all of them takes long. Where there is
    none, the guest has printed them (`phases.sh prepare`), and they are kept. `modules` are those to be
    told from the rest of the kernel even if they are part of it. `compiled` are lines for programs that the kernel
    compiled later.

    Raises `Failure` if the guest's kernel is not where System.map has it.
    """
    try:
        text = gzip.decompress(base64.b64decode("".join(pieces))).decode()
    except (OSError, EOFError, ValueError, binascii.Error, zlib.error) as error:
        raise Failure(f"the guest's symbols did not arrive whole: {error}")
    known = system_map(kdir)
    if not known:
        known = "".join(f"{line}\n" for line in text.splitlines() if len(line.split()) == 3)
        kept(kdir).parent.mkdir(parents=True, exist_ok=True)
        kept(kdir).write_text(known, encoding="ascii")
        text = "".join(f"{line}\n" for line in text.splitlines()
                       if len(line.split()) > 3 or line.endswith(" _text"))
    here, there = _start(text), _start(known)
    if here != there:
        raise Failure(f"the guest's kernel starts at {here}, and that of System.map at {there}")
    return Symbols("\n".join([known, text, *sorted(compiled)]), builtins.names(kdir, modules))


def _start(text: str) -> str:
    """Returns the address of the kernel."""
    return next((line.split()[0] for line in text.splitlines() if line.split()[2:3] == ["_text"]),
                _NOWHERE)


def demangle(names) -> dict:
    """Returns name -> readable name; names stay as they are without a demangler."""
    names = list(names)
    program = next((path for path in map(shutil.which, _DEMANGLERS) if path), None)
    if not program or not names:
        return {name: name for name in names}
    done = subprocess.run([program], input="\n".join(names), capture_output=True, text=True,
                          check=False)
    lines = done.stdout.splitlines()
    return dict(zip(names, lines if len(lines) == len(names) else names))
