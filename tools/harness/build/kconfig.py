# SPDX-License-Identifier: GPL-2.0
"""Reads kernel configurations and compares them with what is needed."""

import re
from pathlib import Path

#: What the modules need to build and load, beside the version.
FOR_MODULES = ["MODULES", "RUST", "PCI", "VIRTIO", "NET", "BLOCK"]

#: What a guest of the harness needs to come up and be talked to.
FOR_GUESTS = ["VIRTIO_PCI", "SERIAL_8250_CONSOLE", "BLK_DEV_INITRD", "DEVTMPFS", "TMPFS", "INET",
              "BINFMT_ELF", "BINFMT_SCRIPT", "PROC_FS", "SYSFS", "DEBUG_FS", "EXT4_FS"]

#: Each has the kernel refuse modules that were not signed by its own key or by one of the machine's owner.
SIGNATURES = ["MODULE_SIG_FORCE", "LOCK_DOWN_KERNEL_FORCE_INTEGRITY", "LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY"]

#: Asked for by the fragment, but guests do without: it depends on the compilers.
OPTIONAL = {"RUST_INLINE_HELPERS"}


def read(path: Path) -> dict:
    """Returns symbol -> value of a .config or a fragment; unset symbols have "n"."""
    found = re.findall(r"^(?:CONFIG_(\w+)=(.*)|# CONFIG_(\w+) is not set)$", path.read_text(), re.M)
    return {symbol or unset: value if symbol else "n" for symbol, value, unset in found}


def missing(config: dict, symbols: list) -> list:
    """Returns the symbols that are not enabled."""
    return [symbol for symbol in symbols if config.get(symbol, "n") == "n"]


def unmet(config: dict, fragment: dict) -> list:
    """Returns text for each symbol that did not get the value a fragment asks for."""
    return [f"CONFIG_{symbol}={wanted} (is {config.get(symbol, 'n')})"
            for symbol, wanted in fragment.items() if config.get(symbol, "n") != wanted]
