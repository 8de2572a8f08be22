# SPDX-License-Identifier: GPL-2.0
"""Boots a whole Debian from a disk, with the kernel and the initramfs that lie in its /boot.

There is no boot loader: both are taken out of the disk while the machine is off. Nothing of the
harness is on the disk either: the unit that runs a job is handed to systemd as a credential, the job
comes by the firmware's configuration device.
"""

import base64
import io
import re
import subprocess
import tarfile
from pathlib import Path

from ..guest import accel
from ..guest.machine import Machine, exports
from ..guest.qemu import CommandLine
from ..guest.spec import Spec
from ..paths import GUEST_SCRIPTS, SELFTESTS
from ..proc import run
from ..say import Failure, say
from .disk_image import UUID

#: Of the unit, and so of the service that the kernel's command line wants.
_UNIT = "harness.service"


def sort_key(release: str) -> list:
    """Returns by what kernel releases are sorted: numbers by value."""
    return [int(part) if part.isdigit() else -1 for part in re.findall(r"\d+|[a-z]+", release)]


class Disk:
    """A root file system in a file, as the host sees it between boots."""

    def __init__(self, path: Path, log: Path):
        self.path = path
        self.log = log

    def kernels(self) -> list:
        """Returns the releases of the kernels in /boot, the newest last."""
        found = re.findall(r"/vmlinuz-([^/\s]+)/", self._ask("ls -p /boot"))
        return sorted(found, key=sort_key)

    def take(self, name: str, into: Path) -> Path:
        """Copies one file of the file system to the host and returns its place."""
        into.unlink(missing_ok=True)
        run(["debugfs", "-R", f"dump {name} {into}", self.path], self.log, f"copy of {name}")
        if not into.exists() or not into.stat().st_size:
            raise Failure(f"{self.path} has no {name}\nLog: {self.log}")
        return into

    def is_clean(self) -> bool:
        """Returns whether the file system was unmounted, with nothing left in its journal."""
        shown = self._ask("show_super_stats -h")
        return bool(re.search(r"^Filesystem state: *clean$", shown, re.M)) and "needs_recovery" not in shown

    def check(self) -> str:
        """Returns what fsck finds, "" if there is nothing to repair."""
        done = subprocess.run(["e2fsck", "-f", "-n", str(self.path)], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.stdout if done.returncode else ""

    def _ask(self, request: str) -> str:
        return subprocess.run(["debugfs", "-R", request, str(self.path)], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


class DebianGuest(Machine):
    """A Debian that boots once from a disk."""

    #: An emulated processor makes an initramfs for minutes, without a word.
    silence = 4
    #: An init system takes its time to go down.
    farewell = 300

    def __init__(self, spec: Spec, disk: Disk, name: str, release: str):
        """`release` is the kernel to boot. What is written to the disk is there at the next boot."""
        super().__init__(spec, name)
        self.disk = disk
        self.release = release

    def _boot(self, job: dict, files: dict, env: dict) -> None:
        log = self.rundir / "host.log"
        if not self.release:
            raise Failure(f"{self.disk.path} has no kernel in /boot")
        kernel = self.disk.take(f"/boot/vmlinuz-{self.release}", self.rundir / "kernel.img")
        initrd = self.disk.take(f"/boot/initrd.img-{self.release}", self.rundir / "initrd.img")
        packed = self.rundir / "job.img"
        packed.write_bytes(_job(job, files, env))
        line = CommandLine(self.spec, self.rundir, self.sockets, self.spec.accel or accel.choose(kernel), log)
        line.kernel(kernel, initrd, f"root=UUID={UUID} ro printk.devkmsg=on systemd.wants={_UNIT}")
        unit = base64.b64encode((GUEST_SCRIPTS / "stock.service").read_bytes()).decode()
        line.argv += ["-smbios", "type=11,value=io.systemd.credential.binary:"
                                 f"systemd.extra-unit.{_UNIT}={unit}",
                      "-fw_cfg", f"name=opt/org.rust-virtio/job,file={packed}"]
        line.root_disk(self.disk.path, kept=True)
        self._start(line)

    def _line(self, line: str, outcome, requests, on_line) -> bool:
        """Handles one line of the channel, and tells of the beginning of a step."""
        verb, _, rest = line.partition(" ")
        if verb == "hello":
            say(f"  systemd runs the job after {rest} s")
        elif verb == "begin":
            say(f"  {rest}")
        return super()._line(line, outcome, requests, on_line)

    def _stays(self, outcome) -> None:
        if not outcome.error:
            outcome.error = f"did not power off within {self.farewell} s of silence"


def _job(job: dict, files: dict, env: dict) -> bytes:
    """Returns an archive of what goes to /run/harness of the guest."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        def add(name: str, data: bytes) -> None:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            tar.addfile(entry, io.BytesIO(data))

        for script in sorted(GUEST_SCRIPTS.glob("*.sh")):
            add(script.name, script.read_bytes())
        for script in sorted(SELFTESTS.glob("*/*")):
            if script.suffix in (".sh", ".py", ".json"):
                add(f"selftests/{script.relative_to(SELFTESTS)}", script.read_bytes())
        for script in sorted(GUEST_SCRIPTS.glob("stock-*.sh")):
            add(f"selftests/stock/{script.name.removeprefix('stock-')}", script.read_bytes())
        for name, data in job.items():
            add(f"job/{name}", data)
        for name, source in files.items():
            add(f"job/{name}", Path(source).read_bytes())
        add("env", exports(env))
    return out.getvalue()
