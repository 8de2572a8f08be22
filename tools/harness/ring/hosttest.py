# SPDX-License-Identifier: GPL-2.0
"""`harness.py hosttest`: the tests of the ring core on the host, without a kernel (virtqueue/ring)."""

import subprocess

from ..host import needs, toolchain
from ..paths import OUT, cache, log_dir, new_log
from ..proc import run as run_logged
from ..report.results import Results
from ..report.tap import Test
from ..say import Failure, say
from . import fuzz, sanitize
from .cargo import COMMON, CRATE, cargo_test, find_cargo, parse


def run(results: Results) -> None:
    """Runs the tests of the crate in every way that there is, and sees that the kernel's compiler takes it."""
    if plain(results, needs.qemu()):
        tools = sanitize.Tools.find(find_cargo())
        log = log_dir() / "hosttest.log"
        sanitize.run(results, tools, log)
        fuzz.run(results, tools, log)


def plain(results: Results, no_qemu: str) -> bool:
    """Runs the tests of the crate as they are, and sees that the kernel's compiler takes it. Returns whether
    they can be run here. `no_qemu` is why those with QEMU are left out, "" if they are not."""
    results.add([_as_module()])
    cargo = find_cargo()
    if not cargo:
        results.add([Test("ring", "all", "skip", "cargo is not installed")])
        return False
    log = new_log("hosttest")
    env = {"CARGO_TARGET_DIR": str(cache() / "host-test")}
    say(f"Host: the tests of the ring core (log: {log})")
    try:
        for crate in (CRATE, fuzz.CRATE):
            run_logged([cargo, "fetch", "--locked"], log, "Fetching crates", cwd=crate, env=env)
    except Failure:
        results.add([Test("ring", "all", "skip", f"the crates cannot be fetched (log: {log})")])
        return False
    with_ignored = [] if no_qemu else ["--", "--include-ignored"]
    lines, status = cargo_test([cargo, "test", *COMMON], with_ignored, log, env)
    results.add(parse(lines, status, "ring", f"QEMU {no_qemu}" if no_qemu else ""))
    return True


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
                    f'#[path = "{CRATE / "mod.rs"}"]\npub mod ring;\n')
    done = subprocess.run([rustc, "--edition=2021", "--crate-type=rlib", "-Copt-level=2",
                           "-Cpanic=abort", "-Dwarnings", "-Wmissing_docs",
                           "-Wunreachable_pub", "-Dunsafe_op_in_unsafe_fn",
                           "--emit=metadata", f"--out-dir={out}", root],
                          capture_output=True, text=True, check=False)
    return Test.judged(suite, name, f"status {done.returncode}\n{done.stderr.strip()}" if done.returncode else "")


def main(_args) -> int:
    """Runs the tests and prints the summary."""
    results = Results("hosttest")
    run(results)
    return results.finish()
