# SPDX-License-Identifier: GPL-2.0
"""The view that a user has of a virtio network device: the outputs of commands, attributes in sysfs, the netdev family.

Values that are another in each run are left out: numbers of interfaces and instances, random addresses, counters.
"""

import errno
import json
import os
import re
import subprocess
import time
from concurrent import futures
from pathlib import Path

import netdev

_NET = Path("/sys/class/net")

#: The driver's name in all texts, whichever driver it is.
DRIVER = "virtio_net"

#: Options of ethtool that show something.
_SHOWS = ["", "-k", "-x", "-c", "-g", "-l", "-T", "-n", "-i", "-a"]

#: Attributes in sysfs whose values are another in each run.
_VARIES = re.compile(r"^(ifindex|iflink|statistics/.*|power/.*|queues/.*/byte_queue_limits/(limit|inflight|stall_.*)"
                     r"|(device|master|upper_.*|lower_.*)/.*)$")

#: Keys of `ip -d -j link` whose values are another in each run.
_LINK_VARIES = {"ifindex", "link_index", "master", "linkmode"}

#: Attributes of the netdev family whose values are another in each run.
_NETDEV_VARIES = {"id", "ifindex", "napi-id", "irq", "inflight", "inflight-mem"}

#: Commands run side by side.
_runners = futures.ThreadPoolExecutor(os.cpu_count())

#: Seconds until a link that does not come up is shown as it is.
_LINK = 30


def run(*argv) -> list:
    """Runs a command and returns the lines that it prints, and its status if that is not 0."""
    done = subprocess.run(argv, check=False, text=True, errors="replace", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return [*done.stdout.splitlines(), *([f"status {done.returncode}"] if done.returncode else [])]


def _start(*argv, then=list):
    """Starts a command, and returns the future of its lines, as `then` changes them."""
    return _runners.submit(lambda: then(run(*argv)))


def read(path: Path) -> str:
    """Returns the value of an attribute, or the name of the error."""
    try:
        return path.read_text(errors="replace").strip()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error.errno))


def interfaces(virtio: str) -> tuple:
    """Returns (interface of a virtio device, its failover master), "" for one that is not there."""
    own = master = ""
    for path in sorted(Path("/sys/bus/virtio/devices", virtio, "net").glob("*")):
        if any(path.glob("lower_*")):
            master = path.name
        else:
            own = path.name
    return own, master


def bring_up(interface: str) -> None:
    """Brings an interface up, and waits for its link."""
    subprocess.run(["ip", "link", "set", interface, "up"], check=False, stderr=subprocess.DEVNULL)
    end = time.monotonic() + _LINK
    while read(_NET / interface / "operstate") != "up" and time.monotonic() < end:
        time.sleep(0.02)


class View:
    """Source of a text -> its lines."""

    def __init__(self):
        self.texts = {}

    def add(self, source: str, lines: list) -> None:
        """Adds a text, in which the driver has the name `DRIVER`."""
        self.texts[source] = [line.replace(f"rust_{DRIVER}", DRIVER) for line in lines]

    def add_device(self, virtio: str) -> None:
        """Adds the virtio device."""
        path = Path("/sys/bus/virtio/devices", virtio)
        self.add("features", [str(bit) for bit, on in enumerate(read(path / "features")) if on == "1"])
        self.add("sysfs of the virtio device", sorted(
            f"{file.name}: {read(file)}" if file.is_file() and file.name not in ("uevent", "features") else file.name
            for file in path.iterdir()))
        self.add("interrupts", _interrupts(virtio))

    def add_interface(self, interface: str, title: str = "") -> None:
        """Adds an interface. `title` is in front of the sources."""
        waiting = {f"ethtool {option}".strip(): _start("ethtool", *option.split(), interface) for option in _SHOWS}
        waiting["ethtool -n rx-flow-hash"] = _start("ethtool", "-n", interface, "rx-flow-hash", "tcp4")
        waiting["ethtool -S"] = _start(
            "ethtool", "-S", interface, then=lambda lines: [line.partition(":")[0] for line in lines])
        waiting["ip -d link"] = _start("ip", "-d", "-j", "link", "show", "dev", interface, then=_link)
        shown = {"sysfs": _attributes(_NET / interface), **_netdev(interface)}
        shown.update((source, command.result()) for source, command in waiting.items())
        address = read(_NET / interface / "address")
        is_random = read(_NET / interface / "addr_assign_type") == "1"
        for source, lines in shown.items():
            lines = [_without_name(line, interface) for line in lines]
            if is_random:
                lines = [line.replace(address, "(random)") for line in lines]
            self.add(f"{title}{source}", lines)


def _without_name(line: str, interface: str) -> str:
    return re.sub(rf"\b{re.escape(interface)}\b", "IFACE", line)


def _interrupts(virtio: str) -> list:
    """Returns the names and the affinity hints of a device's interrupts."""
    found = []
    for line in Path("/proc/interrupts").read_text().splitlines():
        words = line.split()
        if words and words[-1].startswith(f"{virtio}-"):
            number = words[0].rstrip(":")
            found.append(f"{words[-1]}: {read(Path('/proc/irq', number, 'affinity_hint'))}")
    return found


def _link(lines: list) -> list:
    """Returns what iproute2 shows of a link, a key on a line."""
    try:
        link = json.loads("".join(lines))[0]
    except (ValueError, IndexError):
        return lines
    return [f"{key}: {json.dumps(value)}" for key, value in sorted(link.items()) if key not in _LINK_VARIES]


def _attributes(top: Path) -> list:
    """Returns the attributes of an interface with their values."""
    found = []
    for place, folders, files in os.walk(f"{top}/"):
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in [*links, *files]:
            path = Path(place, name)
            known = str(path.relative_to(top))
            if _VARIES.match(known):
                found.append(known)
            elif path.is_symlink():
                found.append(f"{known} -> {os.path.basename(os.readlink(path))}" if name in ("device", "subsystem") else
                             known)
            elif name == "uevent":
                found.append(f"{known}: {re.sub('IFINDEX=[0-9]+', 'IFINDEX', read(path))!r}")
            else:
                found.append(f"{known} ({path.stat().st_mode & 0o777:o}): {read(path)}")
    return sorted(found)


def _netdev(interface: str) -> dict:
    """Returns the dumps of the netdev family. Statistics have names only."""
    found = {}
    for name in ("dev", "queues", "napis", "page-pools", "qstats-queue"):
        hidden = _NETDEV_VARIES
        lines = []
        for reply in netdev.dump(name, interface):
            if name == "qstats-queue":
                hidden = set(reply) - {"type"}
            lines.append(json.dumps({key: "" if key in hidden else value for key, value in reply.items()}))
        found[f"netdev {name}"] = sorted(lines)
    return found


class Messages:
    """The messages of the kernel from now on."""

    def __init__(self):
        self._log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
        os.lseek(self._log, 0, os.SEEK_END)

    def lines(self) -> list:
        """Returns the messages since the last call."""
        found = []
        while True:
            try:
                text = os.read(self._log, 8192).decode(errors="replace")
            except BlockingIOError:
                return found
            except BrokenPipeError:
                # Older messages were overwritten.
                continue
            line = text.splitlines()[0].partition(";")[2]
            found.append(re.sub("(random MAC address) .*", r"\1 (random)", line))
