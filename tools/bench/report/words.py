# SPDX-License-Identifier: GPL-2.0
"""Numbers and names as text, the same in the table, the page and the charts."""

from ..results import METRICS

#: The names of accelerators.
ACCELS = {"tcg": "TCG (emulated processor)", "kvm": "KVM", "uml": "User-mode Linux, native", "host": "on the host"}
#: What grows, by the option of the results.
AXES = {"queues": "queue pairs", "flows": "flows", "bytes": "bytes of a frame", "entries": "entries of a ring"}


def axis(name: str) -> str:
    """Returns in words what grows."""
    return AXES.get(name, name)


def metric(name: str) -> str:
    """Returns a metric in words."""
    return METRICS.get(name, name.replace("_", " "))


def accel(name: str) -> str:
    """Returns an accelerator in words."""
    return ACCELS.get(name, name)


def number(value) -> str:
    """Returns a figure with as many digits as mean something."""
    if value is None:
        return "-"
    size = abs(value)
    if size >= 100 or value == 0:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.095 else f"{value:.2g}"


def figure(value, unit: str) -> str:
    """Returns a figure with its unit; large byte counts in KiB."""
    if value is None:
        return "-"
    base, slash, per = unit.partition("/")
    if base == "bytes" and abs(value) >= 10240:
        return f"{value / 1024:,.1f} KiB{slash}{per}"
    return f"{number(value)} {unit}".strip()


def change(ratio: float) -> str:
    """Returns how far a ratio is from 1, e.g. "+4.2 %"; "x2.3" from twice on, "=" for equal."""
    if ratio == float("inf"):
        return "from 0"
    if ratio >= 2:
        return f"x{ratio:.3g}"
    percent = 100 * (ratio - 1)
    digits = 1 if abs(percent) < 20 else 0
    text = f"{percent:+.{digits}f} %"
    return "=" if text in ("+0.0 %", "-0.0 %") else text


def factor(ratio: float) -> str:
    """Returns a ratio as a factor."""
    return f"{ratio:.3f}" if 0.9 < ratio < 1.1 else f"{ratio:.2f}"


def join(names: list) -> str:
    """Returns names as an enumeration."""
    names = list(names)
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] \
        if names else ""
