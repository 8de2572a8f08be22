# SPDX-License-Identifier: GPL-2.0
"""Which selftests `make test` runs on which ring provider and with which layout.

Everything runs on our ring as devices offer it. What differs on the C ring and with other layouts is
gone through by a part of the scripts. `make test RING=c LAYOUT=packed` runs everything with that, and
nothing else; `make test VARIANT=debug` everything on the kernel with the checkers. A few run on the
kernel of a distribution as well.
"""

import os

from ..build import modtree, stock
from ..report.results import Results
from ..report.tap import Test
from . import kunit, selftest, side_by_side
from .selftest import Choice

#: Our drivers, and the sample.
_OURS = "ring/drivers,ring/rng-sample@pci"

#: C drivers that use rings in ways of their own: many segments, and many queues with buffers in wait;
#: and what the others have agreed on.
_FRONTS = "ring/9p@pci,ring/console@pci,ring/provider@pci"

_LEGS = [
    Choice(),
    Choice(ring="c", pattern=_OURS, name="C ring"),
    *(Choice(layout=layout, pattern=f"{_OURS},{_FRONTS}", name=layout)
      for layout in ("packed", "in-order", "packed-in-order")),
]


#: What shows that the modules load into a kernel, and that both drivers work.
FEW = "blk/cache,blk/serial,net/link,net/traffic-default,ring/drivers"

#: Scripts that take long, and are run by `make test-long`.
LOAD = "blk/recover-load,net/recover-load"

#: Moves of guests from one QEMU to another.
MOVES = "blk/migrate,net/migrate"

#: Everything that is compared with the C driver.
LIKE_C = "net/like-c-all,net/fuzz-like-c"

#: The kernel's own tests, and xdp-tools, with both drivers.
UPSTREAM = "upstream/net,upstream/xdp-tools"

#: A distribution's kernel, as it is.
_STOCK = Choice(kernel="debian", name="Debian's kernel", pattern=FEW)


def plan(asked: Choice) -> list:
    """Returns the legs to run: all, or the one that was asked for."""
    return [asked] if asked != Choice() else _LEGS


def run_selftests(results: Results) -> None:
    """Runs every leg, or the one that the environment asks for."""
    asked = Choice(pattern=os.environ.get("T", ""), ring=os.environ.get("RING", ""),
                   layout=os.environ.get("LAYOUT", ""), variant=os.environ.get("VARIANT", ""))
    selftest.run(results, plan(asked))
    if asked == Choice() and not stock.asked():
        _on_stock(results)


def _on_stock(results: Results) -> None:
    """Runs a few scripts on Debian's own kernel, where its packages can be had."""
    try:
        stock.directory(_STOCK.kernel)
    except stock.Unavailable as why:
        results.add([Test(f"selftest{_STOCK.title()}", "all", "skip", str(why).splitlines()[0])])
        return
    selftest.run(results, [_STOCK])


def run_kunit(results: Results) -> None:
    """Runs the KUnit suites on each provider, or on the one that the environment asks for."""
    asked, variant = os.environ.get("RING", ""), os.environ.get("VARIANT", "")
    rings = ["", *(ring for ring in modtree.RINGS if ring != modtree.DEFAULT_RING)]

    def on(ring: str):
        title = f" ({ring.upper()} ring)" if ring else ""
        return lambda part: part.attempt(f"kunit{title}", "kernel and modules", lambda leg: kunit.run(
            leg, variant, ring, title=title))

    if asked:
        kunit.run(results, variant, asked)
    else:
        # A guest that runs the suites waits much of its time.
        side_by_side.run(results, [on(ring) for ring in rings])
