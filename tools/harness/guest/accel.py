# SPDX-License-Identifier: GPL-2.0
"""Chooses between KVM and TCG.

/dev/kvm can be there and open and yet not run an ordinary guest, so KVM is used only on a processor
that says it has it and after a probe guest has come up in seconds.
"""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from ..proc import kill_session, start
from ..say import say
from .qemu import binary

_chosen = ""
_reason = ""


def choose(kernel: Path) -> str:
    """Returns QEMU's value for accel=; says once which and why."""
    global _chosen, _reason
    if not _chosen:
        asked = os.environ.get("HARNESS_ACCEL")
        if asked:
            _chosen, _reason = asked, "HARNESS_ACCEL"
        else:
            ok, _reason = _kvm_works(kernel)
            _chosen = "kvm" if ok else "tcg"
        say(f"Accelerator: {'KVM' if _chosen == 'kvm' else 'TCG, software emulation'} ({_reason})")
    # Emulated processors run in parallel on host threads.
    return "tcg,thread=multi" if _chosen == "tcg" else _chosen


def chosen() -> str:
    """Returns "kvm" or "tcg", or "" if no guest was started yet."""
    return _chosen


def reason() -> str:
    """Returns why that one was chosen."""
    return _reason


def _kvm_works(kernel: Path) -> tuple:
    if not os.path.exists("/dev/kvm"):
        return False, "no /dev/kvm"
    flags = Path("/proc/cpuinfo").read_text()
    if not re.search(r"\b(vmx|svm)\b", flags):
        return False, "the processor shows neither vmx nor svm"
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False, "/dev/kvm cannot be opened by this user"
    before = time.monotonic()
    if _probe(kernel):
        return True, f"a probe guest came up in {time.monotonic() - before:.1f} s"
    return False, "the probe guest did not come up under KVM"


def _probe(kernel: Path) -> bool:
    """Boots the kernel without a root file system; its panic is the sign of life."""
    with tempfile.TemporaryDirectory(prefix="harness-probe-") as scratch:
        log = Path(scratch) / "console"
        child = start([binary(), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                       "-machine", "q35,accel=kvm", "-cpu", "host", "-m", "256M", "-kernel", kernel,
                       "-append", "console=ttyS0 panic=-1", "-serial", f"file:{log}"], Path(os.devnull))
        try:
            child.wait(20)
            return b"Linux version" in log.read_bytes()
        except (subprocess.TimeoutExpired, OSError):
            return False
        finally:
            kill_session(child)
