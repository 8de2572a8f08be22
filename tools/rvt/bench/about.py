# SPDX-License-Identifier: GPL-2.0
"""What a report was made with: versions, the machine, the stacks."""

import dataclasses
import os
import platform
import re
import time
from pathlib import Path

from .. import toolchain
from ..modtree import kernel_release
from ..paths import REPO
from ..proc import output


def collect(kdir: Path, stacks: list) -> dict:
    """Returns the head of bench.json."""
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "commit": _commit(),
        "guest kernel": kernel_release(kdir),
        "qemu": _first(output(["qemu-system-x86_64", "--version"])),
        "compilers": toolchain.find().identity.split("|"),
        "host kernel": platform.release(),
        "cpu": _cpu(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mb": _memory(),
        "stacks": [dataclasses.asdict(stack) for stack in stacks],
    }


def _first(text: str) -> str:
    return text.splitlines()[0] if text else ""


def _commit() -> str:
    """Returns the commit the drivers were built from, with a mark if the tree was changed."""
    found = output(["git", "-C", REPO, "describe", "--always", "--dirty", "--abbrev=12"])
    return found.strip()


def _cpu() -> str:
    found = re.search(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text())
    return found.group(1) if found else platform.processor()


def _memory() -> int:
    found = re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    return int(found.group(1)) // 1024 if found else 0
