# SPDX-License-Identifier: GPL-2.0
"""From addresses of a guest's kernel to modules and functions."""

import base64
import bisect
import binascii
import gzip
import shutil
import subprocess
import zlib

from ..say import Failure

#: Programs that turn Rust's mangled names into readable ones.
_DEMANGLERS = ("llvm-cxxfilt", "c++filt")


class Symbols:
    """The functions of one booted kernel, from lines as in its /proc/kallsyms."""

    def __init__(self, text: str):
        found = []
        for line in text.splitlines():
            fields = line.split()
            if len(fields) >= 3 and fields[1] in "tTwW":
                module = fields[3].strip("[]") if len(fields) > 3 else "vmlinux"
                found.append((int(fields[0], 16), fields[2], module))
        if not found:
            raise Failure("no function is named in the symbols")
        found.sort(key=lambda symbol: symbol[0])
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


def unpack(pieces: list, system_map: str) -> Symbols:
    """Returns the symbols of a guest: of its modules from what it printed of /proc/kallsyms, gzip in
    base64, and of its kernel from System.map, as printing all of them takes long.

    # Errors

    `Failure` if the guest's kernel is not where System.map has it.
    """
    try:
        text = gzip.decompress(base64.b64decode("".join(pieces))).decode()
    except (OSError, EOFError, ValueError, binascii.Error, zlib.error) as error:
        raise Failure(f"the guest's symbols did not arrive whole: {error}")
    here, there = _start(text), _start(system_map)
    if here != there:
        raise Failure(f"the guest's kernel starts at {here}, and that of System.map at {there}")
    return Symbols(f"{system_map}\n{text}")


def _start(text: str) -> str:
    """Returns the address of the kernel."""
    return next((line.split()[0] for line in text.splitlines() if line.split()[2:3] == ["_text"]),
                "nowhere")


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
