# SPDX-License-Identifier: GPL-2.0
"""The variables that a user may set, in the environment or on the command line of make."""

import os

#: The same names as VARIABLES in the Makefile, and those that are for harness.py alone.
NAMES = ["KDIR", "KSRC", "KERNEL", "KUNIT", "T", "FAMILY", "VARIANT", "V", "MODULE_ARGS", "RUSTC", "RUSTDOC",
         "BINDGEN", "RUST_VIRTIO_CACHE", "LEGS", "STACKS", "BASE", "KEEP", "RING", "LAYOUT",
         "DEST", "BRANCH", "PYTHON", "CMD", "DEB_VERSION", "ROUNDS", "ONLY", "HARNESS_FUZZ", "HARNESS_MACHINES",
         "CARGO_HOME", "XDG_CACHE_HOME"]

#: Variables that make leaves in the environment of its children. Kbuild is not part of the make
#: that may have started the harness.
_OF_MAKE = ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"]


def option(parser, name: str, text: str, **more) -> None:
    """Declares an option whose default is the variable of the same name."""
    variable = name.strip("-").upper()
    parser.add_argument(name, default=os.environ.get(variable, ""), help=f"{text} (also {variable}=)", **more)


def variant(parser, more: str = "") -> None:
    """Declares --variant."""
    option(parser, "--variant", f"kernel variant: tools/config/<variant>.config{more}")


def tidy() -> None:
    """Takes from the environment what no child may see: variables without a value, which cargo
    and others take at their word, and those of make."""
    for name in _OF_MAKE:
        os.environ.pop(name, None)
    for name in NAMES:
        if not os.environ.get(name, "").strip():
            os.environ.pop(name, None)
