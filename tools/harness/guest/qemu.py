# SPDX-License-Identifier: GPL-2.0
"""The QEMU command line of a guest."""

import shutil
from pathlib import Path

from ..paths import HOST_SOURCES
from ..proc import program, run
from ..say import Failure
from .spec import Spec
from .transport import LAYOUTS, TRANSPORTS


def binary() -> str:
    """Returns the QEMU to use."""
    return program("qemu-system-x86_64", "qemu-system-x86")


def props(values: dict) -> str:
    """Returns device properties as QEMU writes them."""
    return "".join(f",{key}={_value(value)}" for key, value in values.items())


def _value(value) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value).replace(",", ",,")


class CommandLine:
    """Collects the arguments of one QEMU."""

    def __init__(self, spec: Spec, rundir: Path, sockets: Path, accel: str, log: Path):
        self.spec = spec
        self.rundir = rundir
        self.sockets = sockets
        self.log = log
        self._ports = 0
        self._transport = TRANSPORTS[spec.transport]
        iommu = ["-device", "intel-iommu,intremap=off,device-iotlb=on"] if spec.iommu else []
        self.argv = [
            binary(), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-name", "harness", "-machine", self._transport.machine, "-accel", accel, "-cpu",
            "host" if accel == "kvm" else "max,la57=off", "-smp", str(spec.vcpus),
            "-m", spec.mem, *iommu,
            "-chardev", f"file,id=console,path={rundir / 'console.log'}",
            "-serial", "chardev:console",
            "-chardev", f"socket,id=channel,path={sockets / 'channel'},server=on,wait=off",
            *self._second_serial(),
            "-qmp", f"unix:{sockets / 'qmp'},server=on,wait=off",
        ]
        # Of the class that all devices are of: those that are plugged in later get them, too.
        for value in [*self._transport.globals,
                      *(f"virtio-device.{key}={value}"
                        for key, value in LAYOUTS.get(spec.layout, {}).items())]:
            self.argv += ["-global", value]
        for event in spec.trace:
            self.argv += ["-trace", event]
        if spec.trace:
            self.argv += ["-D", str(rundir / "trace.log")]

    def _second_serial(self) -> list:
        """Returns the arguments of the channel's port: a microvm gives -serial to one port only."""
        if not self._transport.pci:
            return ["-device", "isa-serial,index=1,chardev=channel"]
        return ["-serial", "chardev:channel"]

    def kernel(self, image: Path, initramfs: Path, more: str = "") -> None:
        """Sets what boots; `more` goes on the kernel's command line."""
        # The watchdog of the time stamp counter compares processors with interrupts off. Early on,
        # when time comes from the tick, it waits for ever for one that the host does not run. And the
        # kernel gives up if the timer does not tick ten times within a number of loops, which an emulated
        # processor may go through while the host does something else.
        line = "console=ttyS0 panic=-1 oops=panic loglevel=7 tsc=reliable no_timer_check"
        self.argv += ["-kernel", str(image), "-initrd", str(initramfs), "-append",
                      " ".join([line, *more.split(), *self.spec.cmdline.split()])]

    def _port(self, name: str) -> str:
        """Adds a root port, which is what hot-plug needs, and returns its id."""
        self._ports += 1
        number = self._ports
        self.argv += ["-device", f"pcie-root-port,id={name},bus=pcie.0,chassis={number},slot={number}"]
        return name

    def _virtio(self, kind: str, name: str, backend: str, values: dict, port=True) -> None:
        """Adds a virtio device; `kind` is QEMU's name without "virtio-" and the transport."""
        way = self._transport
        place = {}
        if way.pci:
            place["bus"] = self._port(f"port-{name}") if port and way.ports else "pcie.0"
        extra = {"iommu_platform": "on", "ats": "on"} if self.spec.iommu else {}
        self.argv += ["-device", f"virtio-{kind}-{way.suffix},id={name}{backend}"
                                 f"{props({**place, **way.props, **extra, **values})}"]

    def root_disk(self, image: Path, kept: bool = False) -> None:
        """Adds the root disk: a throw-away overlay over the read-only image, or, if what is written is
        to be `kept`, the image."""
        driver, file = "raw", image
        if not kept:
            driver, file = "qcow2", self.rundir / "root.qcow2"
            run(["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image, file], self.log, "qemu-img")
        self.argv += ["-blockdev", f"driver={driver},node-name=root,file.driver=file,"
                                   f"file.filename={file},discard=unmap"]
        self._virtio("blk", "blk-root", ",drive=root", {"serial": "harness-root", **self.spec.root_props})

    def disk(self, index: int) -> None:
        """Adds disk number `index` of the description."""
        disk, name = self.spec.blk[index], f"blk{index}"
        node = {"driver": "raw", "discard": "unmap", **disk.node}
        values = {"serial": name, **disk.props}
        if node["driver"].startswith("null"):
            node = {"size": _bytes(disk.size), **node}
        else:
            path = Path(disk.file) if disk.file else self.rundir / f"{name}.img"
            if not path.is_absolute():
                path = self.rundir / path
            if not disk.file:
                _sparse(path, disk.size)
            node.update({"file.driver": "file", "file.filename": str(path)})
        if disk.readonly:
            node["read-only"] = "on"
        self.argv += ["-blockdev", f"node-name={name}{props(node)}"]
        self._virtio("blk", name, f",drive={name}", values, disk.port)

    def nic(self, index: int, tap: str) -> None:
        """Adds NIC number `index` of the description, on the TAP device `tap`."""
        nic, name = self.spec.net[index], f"net{index}"
        queues = f",queues={nic.queues}" if nic.queues > 1 else ""
        values = {"mac": f"52:54:00:00:00:{index + 1:02x}"}
        if nic.queues > 1:
            values["mq"] = "on"
            if self._transport.pci:
                values["vectors"] = 2 * nic.queues + 2
        values.update(nic.props)
        backend = nic.netdev or f"tap,ifname={tap},script=no,downscript=no,vhost=off{queues}"
        self.argv += ["-netdev", f"{backend},id={name}"]
        if nic.model:
            self.argv += ["-device", f"{nic.model},id={name},bus=pcie.0,netdev={name}{props(values)}"]
            return
        self._virtio("net", name, f",netdev={name}", values, nic.port)

    def device(self, index: int) -> None:
        """Adds device number `index` of the description's others."""
        device = self.spec.devices[index]
        if device.file:
            _sparse(self.rundir / f"{device.id}.img", device.file)
        if device.directory:
            (self.rundir / device.id).mkdir()
        self.argv += device.before
        self._virtio(device.kind, device.id, "", device.props)
        self.argv += device.after

    def root_9p(self, directory: Path) -> None:
        """Adds a directory of the host as the root file system."""
        self.argv += ["-fsdev", f"local,id=root,path={directory},security_model=none"]
        self._virtio("9p", "root-9p", "", {"fsdev": "root", "mount_tag": "harness-root"})

    def env(self) -> dict:
        """Returns what QEMU has to have in its environment: for buffers in order, memory that its
        list of them can be read beyond the end of; see tools/host/calloc.c."""
        if "in_order=on" not in " ".join(self.argv):
            return {}
        compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang", "clang-22"))), None)
        if not compiler:
            raise Failure("rings in order need a C compiler (package gcc), to work around QEMU")
        library = self.rundir / "calloc.so"
        run([compiler, "-O2", "-fno-builtin", "-shared", "-fPIC", "-o", library,
             HOST_SOURCES / "calloc.c"], self.log, "build of calloc.so")
        return {"LD_PRELOAD": str(library)}

    def finish(self) -> list:
        """Adds the spare root ports and returns the whole command line."""
        for index in range(self.spec.spare_ports if self._transport.ports else 0):
            self._port(f"spare{index}")
        return [self._filled(argument) for argument in [*self.argv, *self.spec.qemu]]

    def _filled(self, argument: str) -> str:
        """Replaces @RUN@ by the run directory and @SOCKETS@ by one with a short name."""
        return argument.replace("@RUN@", str(self.rundir)).replace("@SOCKETS@", str(self.sockets))


def _sparse(path: Path, size) -> None:
    with open(path, "wb") as image:
        image.truncate(_bytes(size))


def _bytes(size) -> int:
    text = str(size)
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    return int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text)
