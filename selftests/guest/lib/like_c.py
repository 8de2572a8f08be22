#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compares what a user sees of virtio network devices with the C driver and with the Rust driver.

usage: like_c.py some|all VIRTIO... <SETTINGS

The settings are those of like-c.sh. like-c-allowed.txt in the working directory has the differences that
docs/drop-in.md lists: see `Allowed`. Prints TAP. With "all" the last test fails if an allowed difference was not seen.
"""

import difflib
import errno
import fnmatch
import re
import sys
from pathlib import Path

import user_view

_DRIVERS = ("virtio_net", "rust_virtio_net")
_DEBUG = Path("/sys/kernel/debug/virtio")

#: Features that can be masked (virtio spec §5.1.3, §6).
_BITS = {
    "CSUM": 0, "GUEST_CSUM": 1, "CTRL_GUEST_OFFLOADS": 2, "MTU": 3, "MAC": 5, "GSO": 6, "GUEST_TSO4": 7,
    "GUEST_TSO6": 8, "GUEST_ECN": 9, "GUEST_UFO": 10, "HOST_TSO4": 11, "HOST_TSO6": 12, "HOST_ECN": 13, "HOST_UFO": 14,
    "MRG_RXBUF": 15, "STATUS": 16, "CTRL_VQ": 17, "CTRL_RX": 18, "CTRL_VLAN": 19, "GUEST_ANNOUNCE": 21, "MQ": 22,
    "CTRL_MAC_ADDR": 23, "ANY_LAYOUT": 27, "INDIRECT_DESC": 28, "EVENT_IDX": 29, "RING_RESET": 40, "GUEST_USO4": 54,
    "GUEST_USO6": 55, "HOST_USO": 56, "HASH_REPORT": 57, "GUEST_HDRLEN": 59, "RSS": 60, "STANDBY": 62,
    "SPEED_DUPLEX": 63}

#: Masked unless a setting has it with "+" in front: with it there are two interfaces.
_USUALLY_MASKED = "STANDBY"

#: Commands that are tried, with IFACE for the interface.
_ATTEMPTS = [
    *(f"ethtool -K IFACE {feature} {how}" for feature in (
        "rx", "tx", "sg", "tso", "gso", "gro", "rx-gro-hw", "rxhash", "rx-vlan-filter", "tx-udp-segmentation", "lro",
        "tx-tcp-ecn-segmentation", "tx-udp_tnl-segmentation", "highdma") for how in ("off", "on")),
    *(f"ethtool -G IFACE {sizes}" for sizes in (
        "rx 64 tx 64", "rx 100", "tx 0", "rx 100000", "rx-mini 1", "rx 256 tx 256")),
    *(f"ethtool -L IFACE {pairs}" for pairs in (
        "combined 0", "combined 1", "combined 3", "rx 1", "tx 1", "other 1", "combined 2")),
    *(f"ethtool -C IFACE {limits}" for limits in (
        "tx-frames 0", "tx-frames 2", "rx-frames 2", "rx-usecs 10", "tx-usecs 10", "adaptive-rx on", "adaptive-tx on")),
    *(f"ethtool -s IFACE {link}" for link in (
        "speed 100 duplex half", "speed 77", "autoneg on", "port tp", "speed 10000 duplex full", "wol g", "msglvl 1")),
    *(f"ethtool -X IFACE {table}" for table in ("equal 1", "equal 3", "hfunc crc32", "default")),
    *(f"ethtool -N IFACE rx-flow-hash {flow}" for flow in ("udp4 sd", "tcp6 sdfn", "tcp4 s", "udp4 sdfn")),
    "ethtool -A IFACE rx on", "ethtool -r IFACE", "ethtool -p IFACE 1", "ethtool -t IFACE", "ethtool -e IFACE",
    "ethtool -d IFACE", "ethtool -m IFACE", "ethtool -P IFACE", "ethtool -u IFACE", "ethtool --show-eee IFACE",
    "ethtool --show-fec IFACE", "ethtool --show-priv-flags IFACE", "ethtool --show-tunnels IFACE",
    "ethtool --per-queue IFACE queue_mask 3 --show-coalesce",
    "ethtool --per-queue IFACE queue_mask 1 --coalesce tx-frames 0",
    "ethtool --per-queue IFACE queue_mask 8 --show-coalesce",
    *(f"ip link set IFACE {what}" for what in (
        "mtu 67", "mtu 68", "mtu 9001", "mtu 65535", "mtu 65536", "mtu 1500", "address 01:00:5e:00:00:01",
        "address 52:54:00:00:00:77", "promisc on", "allmulticast on", "promisc off", "allmulticast off",
        "txqueuelen 77", "vf 0 mac 52:54:00:00:00:78", "gso_max_size 70000", "gso_max_segs 100")),
    "ip link set IFACE down",
    *(f"ethtool -C IFACE {limits}" for limits in ("tx-frames 0", "rx-frames 0", "tx-frames 3", "tx-frames 1")),
    "ethtool -L IFACE combined 1", "ethtool -G IFACE rx 128 tx 128", "ip link set IFACE up"]


class Allowed:
    """The differences that docs/drop-in.md lists.

    A line of the file is: title of the settings, source of the text, line of the text, the row of docs/drop-in.md, with
    " | " between. The first two are globs, the third is a regular expression.
    """

    def __init__(self, path: str):
        self.rows = [line.split(" | ", 3) for line in Path(path).read_text().splitlines()
                     if line and not line.startswith("#")]
        self._rules = [(title, source, re.compile(text)) for title, source, text, _row in self.rows]
        self._used = set()

    def has(self, title: str, source: str, line: str) -> bool:
        """Returns whether a line may be with one driver only, and notes that it was seen."""
        fitting = [rule for rule in self._rules if fnmatch.fnmatch(title, rule[0])
                   and fnmatch.fnmatch(source, rule[1]) and rule[2].fullmatch(line)]
        self._used.update(fitting)
        return bool(fitting)

    def unused(self) -> list:
        """Returns the rules that no difference fitted, as texts."""
        return [f"{title} | {source} | {text.pattern}" for title, source, text in self._rules
                if (title, source, text) not in self._used]


class Setting:
    """A line of the settings."""

    def __init__(self, line: str, devices: list):
        self.set, index, self.title, masked = (part.strip() for part in line.split("|"))
        self.device = devices[int(index)]
        words = {_USUALLY_MASKED, *masked.split()}
        self.attempts = "!" in words
        shown = {name[1:] for name in words if name.startswith("+")}
        self.bits = sorted(bit for name, bit in _BITS.items() if name in words - shown)

    def view(self, driver: str) -> dict:
        """Binds the device to a driver, and returns what the user sees then."""
        view = user_view.View()
        self._unbind()
        messages = user_view.Messages()
        self._mask(self.bits)
        view.add("bind", [self._bind(driver)])
        interface, master = user_view.interfaces(self.device)
        if interface:
            user_view.bring_up(master or interface)
            view.add_interface(interface)
            view.add_device(self.device)
        if master:
            view.add_interface(master, "master: ")
        if interface and self.attempts:
            for attempt in _ATTEMPTS:
                view.add(attempt, user_view.run(*attempt.replace("IFACE", interface).split()))
            view.add_interface(interface, "then: ")
        view.add("kernel messages", messages.lines())
        if not interface:
            # A device that was refused is marked as failed until a driver is unbound from it.
            self._mask([])
            self._bind(driver)
        return view.texts

    def _mask(self, bits: list) -> None:
        place = _DEBUG / self.device
        (place / "filter_features_clear").write_text("1")
        for bit in bits:
            (place / "filter_feature_add").write_text(str(bit))

    def _unbind(self) -> None:
        driver = Path("/sys/bus/virtio/devices", self.device, "driver")
        if driver.exists():
            (driver / "unbind").write_text(self.device)

    def _bind(self, driver: str) -> str:
        try:
            Path("/sys/bus/virtio/drivers", driver, "bind").write_text(self.device)
        except OSError as error:
            return errno.errorcode.get(error.errno, str(error.errno))
        return "bound"


def differences(setting: Setting, allowed: Allowed) -> list:
    """Returns the differences between the drivers that are not allowed, as lines."""
    c, rust = (setting.view(driver) for driver in _DRIVERS)
    found = []
    for source in dict.fromkeys([*c, *rust]):
        changes = [line for line in list(difflib.unified_diff(c.get(source, []), rust.get(source, []), n=0,
                                                              lineterm=""))[2:]
                   if line[0] in "-+" and not allowed.has(setting.title, source, line[1:])]
        if changes:
            found += [f"{source}: - {_DRIVERS[0]}, + {_DRIVERS[1]}", *(f"    {line}" for line in changes)]
    if found:
        found.insert(0, f"masked bits: {' '.join(map(str, setting.bits))}")
    return found


def _say(passed: bool, number: int, title: str, why: list) -> None:
    for line in why:
        print(f"# {line}")
    print(f"{'' if passed else 'not '}ok {number} - {title}", flush=True)


def main() -> int:
    """Compares the drivers in the settings of a set."""
    chosen, devices = sys.argv[1], sys.argv[2:]
    allowed = Allowed("like-c-allowed.txt")
    settings = [Setting(line, devices) for line in sys.stdin]
    settings = [setting for setting in settings if chosen in (setting.set, "all")]
    print(f"TAP version 13\n1..{len(settings) + (chosen == 'all')}", flush=True)
    failed = 0
    for number, setting in enumerate(settings, 1):
        found = differences(setting, allowed)
        failed += bool(found)
        _say(not found, number, setting.title, found)
    if chosen == "all":
        unused = allowed.unused()
        failed += bool(unused)
        _say(not unused, len(settings) + 1, "every difference that is allowed was seen", unused)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
