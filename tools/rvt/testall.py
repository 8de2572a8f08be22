# SPDX-License-Identifier: GPL-2.0
"""`rvt.py test`: the harness's own tests, those of the ring core, KUnit in modules and built in,
the selftests, the parity table."""

from . import harness, hosttest, intree_kunit, legs, parity
from .results import Results
from .say import Failure, say
from .tap import Test


def main(_args) -> int:
    """Runs everything and prints one summary."""
    every = Results("test")
    for name, run in (("harness", harness.run), ("hosttest", hosttest.run),
                      ("kunit", legs.run_kunit), ("in-tree", intree_kunit.run),
                      ("selftest", legs.run_selftests)):
        part = Results(name)
        try:
            run(part)
        except Failure as failure:
            part.add([Test(name, "harness", "fail", str(failure))])
        part.write()
        every.tests += part.tests
    say("Parity: docs/parity.md against these results")
    every.add([parity.as_test(every.tests)])
    return every.finish()
