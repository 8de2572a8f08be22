# SPDX-License-Identifier: GPL-2.0
"""The origin of a report: versions, the machine, the stacks."""

import dataclasses
import hashlib
import os
import platform
import re
import time
from pathlib import Path

from harness.build import kconfig, kmods, stock
from harness.guest import accel
from harness.host import toolchain
from harness.paths import REPO
from harness.proc import output


def collect(kdir: Path, stacks: list, before: dict = None) -> dict:
    """Returns the head of bench.json; `before` is that of the figures that are added to, if any."""
    accel.choose(kmods.image(kdir))
    kept = {name: text for name, text in (before or {}).items() if name.startswith("guest kernel")}
    return {
        **kept,
        "time": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "commit": _commit(),
        **_kernel(kdir),
        "accelerator": f"{accel.chosen()} ({accel.reason()})",
        "qemu": output(["qemu-system-x86_64", "--version"]).partition("\n")[0],
        "compilers": toolchain.find().identity.split("|"),
        "machine": _machine(),
        "host kernel": platform.release(),
        "cpu": _told("/proc/cpuinfo", r"model name\s*:\s*(.*)") or platform.processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_mb": int(_told("/proc/meminfo", r"MemTotal:\s*(\d+)") or 0) // 1024,
        "stacks": [dataclasses.asdict(stack) for stack in stacks],
        "added to": _earlier(before) if before else [],
    }


def _kernel(kdir: Path) -> dict:
    """Returns what is said of a guest kernel; one from packages is named."""
    name, text = "guest kernel", kmods.release(kdir)
    if stock.is_stock(kdir):
        config = kconfig.read(kdir / ".config")
        name += f" {stock.about(kdir)['name']}"
        text = ", ".join([text, *(config.get(f"{key}_VERSION_TEXT", "?").strip('"')
                                  for key in ("CC", "RUSTC"))])
    return {name: text,
            f"{name} config": hashlib.sha256((kdir / ".config").read_bytes()).hexdigest()[:12]}


def _earlier(before: dict) -> list:
    """Returns the runs that the figures of an earlier report come from, by time and commit."""
    return [*before.get("added to", []),
            {"time": before.get("time", ""), "commit": before.get("commit", "")}]


def _machine() -> str:
    """Returns the architecture and, where it is told, the maker and the hypervisor."""
    told = []
    for name in ("sys_vendor", "product_name"):
        try:
            told.append(Path("/sys/class/dmi/id", name).read_text().strip())
        except OSError:
            continue
    if _told("/proc/cpuinfo", r"flags\s*:.*\b(hypervisor)\b"):
        told.append("itself a virtual machine")
    return ", ".join(part for part in (platform.machine(), *told) if part)


def _commit() -> str:
    """Returns the commit the drivers were built from, with a mark if the tree was changed."""
    return output(["git", "-C", REPO, "describe", "--always", "--dirty", "--abbrev=12"]).strip()


def _told(path: str, pattern: str) -> str:
    """Returns what a line of a file of the kernel says, "" if there is none."""
    found = re.search(pattern, Path(path).read_text())
    return found.group(1) if found else ""
