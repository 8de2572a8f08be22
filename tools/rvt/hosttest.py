# SPDX-License-Identifier: GPL-2.0
"""`rvt.py hosttest`: the tests of the ring core on the host, without a kernel (virtqueue/ring)."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from . import toolchain
from .paths import OUT, REPO, cache, log_dir
from .proc import run as run_logged
from .results import Results
from .say import Failure, say
from .tap import Test

_CRATE = REPO / "virtqueue" / "ring"
_SUITE = re.compile(r"^ *Running (?:unittests )?(\S+) \(")
_TEST = re.compile(r"^test (\S+)(?: - should panic)? \.\.\. (ok|FAILED|ignored)")
_OUTPUT = re.compile(r"^---- (\S+) stdout ----$")


def run(results: Results) -> None:
    """Runs the tests of the crate, and sees that the kernel's compiler takes it."""
    results.add([_as_module()])
    cargo = find_cargo()
    if not cargo:
        results.add([Test("ring", "all", "skip", "cargo is not installed")])
        return
    env = {"CARGO_TARGET_DIR": str(cache() / "host-test")}
    log = log_dir() / "hosttest.log"
    log.unlink(missing_ok=True)
    try:
        run_logged([cargo, "fetch", "--locked"], log, "Fetching crates", cwd=_CRATE, env=env)
    except Failure:
        results.add([Test("ring", "all", "skip", f"the crates cannot be fetched (log: {log})")])
        return
    argv = [cargo, "test", "--locked", "--offline", "-j2"]
    run_logged([*argv, "--no-run"], log, "Building the tests of the ring", cwd=_CRATE, env=env)
    say("Host: the tests of the ring core")
    done = subprocess.run([*argv, "--no-fail-fast"], cwd=_CRATE, check=False, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, env=dict(os.environ, **env))
    with open(log, "a", encoding="utf-8") as out:
        out.write(done.stdout)
    results.add(parse(done.stdout.splitlines(), done.returncode))


def find_cargo() -> str:
    """Returns the path of cargo, "" if there is none."""
    # make exports them whether or not they are set; cargo takes them at their word.
    for name in ("RUSTC", "RUSTDOC"):
        if os.environ.get(name) == "":
            del os.environ[name]
    own = Path(os.environ.get("CARGO_HOME", "~/.cargo")).expanduser() / "bin" / "cargo"
    return shutil.which("cargo") or (str(own) if os.access(own, os.X_OK) else "")


def parse(lines: list, status: int) -> list:
    """Returns the results of a run of cargo test, each with what a failed test printed."""
    tests, failed, suite, shown = [], {}, "unit", None
    for line in lines:
        running, test, output = _SUITE.match(line), _TEST.match(line), _OUTPUT.match(line)
        if running:
            suite, shown = Path(running[1]).stem.replace("lib", "unit"), None
        elif test:
            result = {"ok": "pass", "FAILED": "fail", "ignored": "skip"}[test[2]]
            module, _, name = test[1].removeprefix("ring::").replace("tests::", "").rpartition("::")
            title = (f"{module}: " if module else "") + name.replace("_", " ")
            tests.append(Test(f"ring/{suite}", title, result))
            if result == "fail":
                failed[(suite, test[1])] = tests[-1]
        elif output:
            shown = failed.get((suite, output[1]))
        elif line == "failures:":
            shown = None
        elif shown is not None:
            shown.reason = f"{shown.reason}\n{line}".strip()
    if status and not failed:
        tests.append(Test("ring", "cargo", "fail", "\n".join(lines[-20:])))
    if not tests:
        tests.append(Test("ring", "cargo", "fail", "no test ran"))
    return tests


def _as_module() -> Test:
    """Compiles the core as the kernel will: a module of a crate without std, by its rustc."""
    suite, name = "ring/kernel", "the compiler of the kernel takes the core as a module"
    rustc, reason = toolchain.rustc()
    if not rustc:
        return Test(suite, name, "skip", reason)
    out = OUT / "host-test"
    out.mkdir(parents=True, exist_ok=True)
    root = out / "as_module.rs"
    root.write_text("//! A crate that has the ring core as a module.\n#![no_std]\n"
                    f'#[path = "{_CRATE / "mod.rs"}"]\npub mod ring;\n')
    done = subprocess.run([rustc, "--edition=2021", "--crate-type=rlib", "-Copt-level=2",
                           "-Cpanic=abort", "-Dwarnings", "-Wmissing_docs",
                           "-Wunreachable_pub", "-Dunsafe_op_in_unsafe_fn",
                           "--emit=metadata", f"--out-dir={out}", root],
                          capture_output=True, text=True, check=False)
    return Test(suite, name, "fail" if done.returncode else "pass", done.stderr.strip())


def main(_args) -> int:
    """Runs the tests and prints the summary."""
    results = Results("hosttest")
    run(results)
    return results.finish()
