# SPDX-License-Identifier: GPL-2.0
"""What other programs find: rustfmt, checkpatch, shellcheck, ruff, clippy.

Each function returns `(findings, note)`: lines to print, and what was looked at.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..build import source
from ..host import needs
from ..paths import REPO, cache, log_dir
from ..proc import run as run_logged
from ..ring.cargo import find_cargo
from ..say import Failure
from . import places


class Skip(Exception):
    """A part cannot be done here, and need not be."""


#: What checkpatch is not asked about files of the kernel, and why.
_KERNEL = {
    "EXPORT_SYMBOL": "Rust functions are exported from a file in C",
    "MACRO_ARG_REUSE": "in the macro that does so",
    "MULTISTATEMENT_MACRO_USE_DO_WHILE": "exports are declarations",
    "OPEN_ENDED_LINE": "trace events look so",
    "PARENTHESIS_ALIGNMENT": "trace events look so",
    "PREFER_DEFINED_ATTRIBUTE_MACRO": "clang's pragma takes the attribute itself",
    "VSPRINTF_POINTER_EXTENSION": "%pA prints the arguments of Rust code",
    "OPEN_BRACE": "a function whose name has for_each is taken for a loop",
}

#: What checkpatch is not asked about programs in user space.
_USER = {
    "BIT_MACRO": "there is none",
    "COMPLEX_MACRO": "the instructions of an XDP program are a list",
    "PREFER_KERNEL_TYPES": "there are none",
    "STRNCPY": "there is no strscpy",
}


#: What cargo says where a crate that one of ours uses is for a newer compiler than there is.
_TOO_OLD = "is not supported by the following package"


#: Of Rust 1.85 it asks for parentheses around shifts among bits, of later ones it does not.
_ALLOWED = ["-Aclippy::precedence"]


def _run(argv: list, **more) -> subprocess.CompletedProcess:
    return subprocess.run([str(part) for part in argv], capture_output=True, text=True, check=False,
                          stdin=subprocess.DEVNULL, cwd=REPO, errors="replace", **more)


def _lines(*texts: str) -> list:
    return [line.replace(f"{REPO}/", "") for text in texts for line in text.splitlines() if line.strip()]


def _tool(path: str, name: str, package: str) -> str:
    """Returns the path of a tool. Raises `Failure` with what brings the tool, if it is not there."""
    if not path:
        raise Failure(f"{name} is not installed ({package})")
    return path


def kernel_source():
    """Returns the source tree of the kernel that is here already, None if there is none."""
    asked = os.environ.get("KSRC")
    return source.given(asked) if asked else source.cached()


def rustfmt(fix: bool = False) -> tuple:
    """Checks the layout of Rust code, by the configuration of the kernel."""
    files = places.rust()
    program = _tool(needs.rustfmt(), "rustfmt", "Debian 13: rustfmt; Debian 12: rustfmt-web")
    done = _run([program, *([] if fix else ["--check"]), *files])
    found = _lines(done.stdout, done.stderr) if done.returncode else []
    kernel = kernel_source()
    theirs = kernel / places.RUSTFMT.name if kernel else None
    if theirs and theirs.exists() and theirs.read_text() != places.RUSTFMT.read_text():
        found.append(f"{places.RUSTFMT.name} is not that of {kernel.name}: copy it")
    return found, f"{len(files)} files"


def checkpatch() -> tuple:
    """Has the kernel's checkpatch.pl look at C and Kconfig."""
    kernel = kernel_source()
    if not kernel:
        raise Skip("the kernel's source is not here: make kernel fetches it, KSRC= names another")
    script = kernel / "scripts" / "checkpatch.pl"
    jobs = [(script, _KERNEL, path) for path in places.c_kernel()]
    jobs += [(script, _KERNEL | _USER, path) for path in places.c_user()]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = [line for lines in pool.map(lambda job: _checkpatch(*job), jobs) for line in lines]
    return found, f"{len(jobs)} files, by {kernel.name}"


def _checkpatch(script: Path, ignored: dict, path: Path) -> list:
    done = _run(["perl", script, "--no-tree", "--strict", "--terse", "--show-types", "--no-summary",
                 "--ignore", ",".join(sorted(ignored)), "-f", path])
    return _lines(done.stdout, done.stderr) if done.returncode else []


def shellcheck() -> tuple:
    """Checks shell scripts, by .shellcheckrc."""
    files = places.scripts()
    program = _tool(_which("shellcheck"), "shellcheck", "Debian: shellcheck")
    count = os.cpu_count() or 1
    with ThreadPoolExecutor(count) as pool:
        each = pool.map(lambda part: _run([program, "--format=gcc", *part]),
                        [part for part in (files[i::4 * count] for i in range(4 * count)) if part])
        found = [line for done in each for line in _lines(done.stdout, done.stderr)]
    return sorted(found), f"{len(files)} scripts"


def _which(name: str) -> str:
    return next((str(Path(place, name)) for place in os.environ.get("PATH", "").split(":")
                 if os.access(Path(place, name), os.X_OK)), "")


def ruff(fix: bool = False) -> tuple:
    """Checks Python code, by ruff.toml."""
    files = places.python()
    program = _tool(needs.ruff(), f"ruff {needs.RUFF}",
                    f"{Path(sys.executable).name} -m pip install ruff=={needs.RUFF}")
    done = _run([program, "check", "--quiet", "--no-cache", "--output-format=concise", *(["--fix"] if fix else []),
                 *files])
    return _lines(done.stdout, done.stderr) if done.returncode else [], f"{len(files)} files"


def clippy() -> tuple:
    """Has clippy look at the crates that are built for the host."""
    cargo = _tool(find_cargo(), "cargo", "Debian 13: cargo; Debian 12: cargo-web")
    if not _run([cargo, "clippy", "--version"]).stdout:
        _tool("", "clippy", "Debian 13: rust-clippy; Debian 12: rust-web-clippy; rustup component add clippy")
    log = log_dir() / "clippy.log"
    log.unlink(missing_ok=True)
    env = dict(os.environ, CARGO_TARGET_DIR=str(cache() / "host-check"), CARGO_TERM_COLOR="never")
    found, left_out = [], []
    for crate, options in places.CRATES.items():
        try:
            run_logged([cargo, "fetch", "--locked"], log, "Fetching crates", cwd=crate, env=env)
        except Failure:
            raise Skip(f"the crates cannot be fetched (log: {log})")
        done = subprocess.run([cargo, "clippy", "--locked", "--offline", "--quiet", "--keep-going",
                               "--message-format=short",
                               *options, "--", "-Dwarnings", *_ALLOWED], cwd=crate, env=env, check=False,
                              capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
        name = str(crate.relative_to(REPO))
        if _TOO_OLD in done.stderr:
            left_out.append(name)
        elif done.returncode:
            found += [f"{name}: {line}" for line in _lines(done.stderr)]
    note = f"; left out: {', '.join(left_out)}, whose crates need a newer rustc" if left_out else ""
    return found, f"{len(places.CRATES) - len(left_out)} crates; the kernel's: make clippy{note}"
