#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""The harness of the Rust virtio drivers. See tools/README.md."""

import argparse
import errno
import importlib
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from harness import variables  # noqa: E402
from harness.say import Failure  # noqa: E402

#: Command -> (module, what it does).
COMMANDS = {
    "setup": ("harness.host.setup", "check the machine and install what is missing"),
    "shell": ("harness.guest.shell", "boot a guest and run one command line in it"),
    "kernel": ("harness.build.kernel", "build the guest kernel"),
    "modules": ("harness.build.modules", "build the modules"),
    "clippy": ("harness.build.clippy", "have clippy look at the modules, with the lints of the kernel"),
    "rust-analyzer": ("harness.build.rust_analyzer", "write rust-project.json for editors"),
    "in-tree": ("harness.in_tree.in_tree", "put the drivers and the ring into a kernel tree"),
    "deb": ("harness.package.deb", "build the Debian package"),
    "check": ("harness.checks.check", "check what needs no build: layout, language, scripts, links, tables"),
    "quick": ("harness.suites.quick", "check, unit tests, the ring core, the modules: no guest"),
    "unit-tests": ("harness.suites.unit_tests", "run the harness's own unit tests"),
    "hosttest": ("harness.ring.hosttest", "run the tests of the ring core on the host"),
    "buildtest": ("harness.suites.buildtest", "build the modules in place for a distribution's kernel"),
    "kunit": ("harness.suites.kunit", "run the KUnit suites in a guest"),
    "in-tree-kunit": ("harness.in_tree.kunit_py", "run the KUnit suites by the kernel's own kunit.py"),
    "selftest": ("harness.suites.selftest", "run the guest selftests"),
    "test-stock": ("harness.package.teststock", "test the package in a Debian guest with Debian's own kernel"),
    "upstream-table": ("harness.upstream.results", "write the results of the kernel's own tests into docs/"),
    "docs": ("harness.report.docs", "make the parts of docs/ that are made from others"),
    "parity": ("harness.report.parity", "hold docs/parity-tests.md and docs/hostile.md against the results"),
    "demo": ("harness.demo.demo", "do the same work on the C and on the Rust drivers"),
    "bench": ("bench", "measure what the drivers cost, Rust against C"),
    "test-fresh": ("harness.fresh.fresh", "try set-up on bare Debian roots"),
    "test": ("harness.suites.testall", "all tests"),
    "test-long": ("harness.suites.testlong", "what takes hours"),
}

#: Commands that have pytest do the work, and give it what options they do not know.
PASSING_ON = ("unit-tests", "selftest")

#: Errors that no program is to blame for.
_OF_THE_MACHINE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)


def main() -> int:
    """Runs one command of the harness."""
    # First: options have their defaults from the environment.
    variables.tidy()
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (module, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text)
        if name not in sys.argv[1:2]:
            continue
        code = importlib.import_module(module)
        if hasattr(code, "arguments"):
            code.arguments(sub)
        sub.set_defaults(main=code.main)
    args, args.rest = parser.parse_known_args()
    if args.rest and args.command not in PASSING_ON:
        parser.error(f"unrecognized arguments: {' '.join(args.rest)}")
    os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    # Both end the run in order, with its guests, even where a shell had them ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return args.main(args)
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE:
            raise
        print(f"error: {error.filename or 'a file'}: {os.strerror(error.errno)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
