# SPDX-License-Identifier: GPL-2.0
"""A virtio device in a process of the guest, by VDUSE (Documentation/userspace-api/vduse.rst).

`vdpa dev add name NAME mgmtdev vduse` hands the device to the kernel's drivers. A process that dies
leaves it behind; another one that opens it under the same name goes on with it.
"""

import errno
import fcntl
import mmap
import os
import selectors
import signal
import struct
import sys
import time

import serving

import virtqueue

VENDOR = 0x1af4
STATUS_DRIVER_OK = 4

#: Seconds for which the kernel may not know that the driver is ready.
_PATIENCE = 20

_NAME_MAX = 256
_PAGE = 4096

#: Messages of the kernel. Drivers of the kernel ask for nothing else.
_SET_STATUS, _UPDATE_IOTLB = 1, 2
_OK, _FAILED = range(2)


def _ioctl(direction: int, number: int, size: int) -> int:
    return direction << 30 | size << 16 | 0x81 << 8 | number


_CREATE = _ioctl(1, 0x02, 336)
_DESTROY = _ioctl(1, 0x03, _NAME_MAX)
_IOTLB_GET_FD = _ioctl(3, 0x10, 32)
_GET_FEATURES = _ioctl(2, 0x11, 8)
_SET_CONFIG = _ioctl(1, 0x12, 8)
_CONFIG_IRQ = _ioctl(0, 0x13, 0)
_VQ_SETUP = _ioctl(1, 0x14, 32)
_VQ_GET_INFO = _ioctl(3, 0x15, 48)
_VQ_KICKFD = _ioctl(1, 0x16, 8)
_VQ_IRQ = _ioctl(1, 0x17, 4)


class Memory(serving.Memory):
    """The memory that the driver has mapped for the device: addresses are the device's."""

    # A mapped part is (first address, last address, mapping).

    def __init__(self, device: int):
        super().__init__()
        self._device = device

    def area(self, address: int, length: int) -> tuple:
        """Returns the mapping that holds a range and where it begins in there.

        # Errors

        `OSError` (`EINVAL`) if the driver has mapped nothing there.
        """
        for first, last, mapping in self._mapped:
            if first <= address and address + length - 1 <= last:
                return mapping, address - first
        entry = bytearray(struct.pack("=QQQB7x", 0, address, address + length - 1, 0))
        fd = fcntl.ioctl(self._device, _IOTLB_GET_FD, entry)
        try:
            offset, first, last, _ = struct.unpack("=QQQB7x", entry)
            if not first <= address or address + length - 1 > last:
                raise OSError(errno.EINVAL, "a range is in two mappings")
            mapping = mmap.mmap(fd, last - first + 1, mmap.MAP_SHARED,
                                mmap.PROT_READ | mmap.PROT_WRITE, offset=offset)
        finally:
            os.close(fd)
        self._mapped.append((first, last, mapping))
        return mapping, address - first


class Info:
    """Size of a queue and addresses of its parts."""

    #: None: the kernel does not know how far the process of before has come.
    place = None

    def __init__(self, device: int, index: int):
        data = bytearray(struct.pack("=II40x", index, 0))
        fcntl.ioctl(device, _VQ_GET_INFO, data)
        _, self.size, self.desc, self.driver, self.device, _, self.ready = struct.unpack("=IIQQQ8sB7x", data)


class Device(serving.Device):
    """A VDUSE device; a kind of device derives from it and says what happens in `serve`."""

    #: The number of the kind of device (virtio 1.2, 5).
    kind = 0

    def __init__(self, name: str, features: int, queues: int, config: bytes, size: int = 128):
        super().__init__()
        self.name = name
        self._count = queues
        self._offered = features | 1 << virtqueue.F_VERSION_1 | 1 << virtqueue.F_ACCESS_PLATFORM
        self._config = config
        fresh = self._create()
        self.fd = os.open(f"/dev/vduse/{name}", os.O_RDWR | os.O_NONBLOCK)
        self.memory = Memory(self.fd)
        for index in range(queues if fresh else 0):
            fcntl.ioctl(self.fd, _VQ_SETUP, struct.pack("=IHHI20x", index, size, 0, 0))

    def _create(self) -> bool:
        """Creates the device; returns whether there was none of that name."""
        head = struct.pack("=256sIIQIIII44xI", self.name.encode(), VENDOR, self.kind, self._offered,
                           self._count, _PAGE, 0, 0, len(self._config))
        with open("/dev/vduse/control", "r+b", buffering=0) as control:
            try:
                fcntl.ioctl(control, _CREATE, bytearray(head + self._config))
            except OSError as error:
                if error.errno != errno.EEXIST:
                    raise
                return False
        return True

    def destroy(self) -> None:
        """Takes the device away, if no driver has it."""
        os.close(self.fd)
        remove(self.name)

    def watch(self, selector) -> None:
        self._selector = selector
        selector.register(self.fd, selectors.EVENT_READ, self._message)
        # After another process: the driver waits for what is in the queues, and for being told of what
        # that one has still handed back. A driver that is not ready yet says so when it is. Where that one
        # was in a packed ring nobody knows: the driver has to reset the device.
        if self._inject(0) and not virtqueue.has(self._negotiated(), virtqueue.F_RING_PACKED):
            self._start()
            for index in self.queues:
                self._tell(index)

    def _message(self) -> None:
        """Answers a message of the kernel."""
        try:
            kind, ident, start = struct.unpack("=II16xQ120x", os.read(self.fd, 152))
        except BlockingIOError:
            return
        known = kind in (_SET_STATUS, _UPDATE_IOTLB)
        answer = struct.pack("=II16x", ident, _OK if known else _FAILED)
        if kind == _SET_STATUS and start & 0xff == 0:
            self._stop()
        elif kind == _UPDATE_IOTLB:
            self.memory.forget()
        os.write(self.fd, answer.ljust(152, b"\0"))
        if kind == _SET_STATUS and start & STATUS_DRIVER_OK and not self.queues:
            self._start()

    def _negotiated(self) -> int:
        """Returns the features that the driver has accepted."""
        data = bytearray(8)
        fcntl.ioctl(self.fd, _GET_FEATURES, data)
        return struct.unpack("=Q", data)[0]

    def _start(self) -> None:
        """Begins with the queues that the driver has set up."""
        self.features = self._negotiated()
        self.begin()
        for index in range(self._count):
            info = Info(self.fd, index)
            if not info.ready:
                continue
            kick = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            fcntl.ioctl(self.fd, _VQ_KICKFD, struct.pack("=Ii", index, kick))
            self._begin_queue(index, virtqueue.queue(self.memory, info, self.features), kick)

    def _stop(self) -> None:
        """Lets go of the queues and of the driver's memory."""
        for index, kick in self._kicks.items():
            fcntl.ioctl(self.fd, _VQ_KICKFD, struct.pack("=Ii", index, -1))
            self._selector.unregister(kick)
            os.close(kick)
        self._kicks, self.queues = {}, {}
        self.memory.forget()

    def _tell(self, index: int) -> None:
        # The kernel may not have seen the answer to DRIVER_OK yet.
        end = time.monotonic() + _PATIENCE
        while not self._inject(index):
            if time.monotonic() > end:
                print(f"{self.name}: no interrupt for queue {index}", file=sys.stderr, flush=True)
                return
            time.sleep(0.001)

    def _inject(self, index: int) -> bool:
        """Raises the interrupt of a queue, if the driver is ready; returns whether it is."""
        try:
            fcntl.ioctl(self.fd, _VQ_IRQ, struct.pack("=I", index))
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            return False
        return True

    def set_config(self, offset: int, data: bytes) -> None:
        """Changes the configuration space and tells the driver."""
        fcntl.ioctl(self.fd, _SET_CONFIG, struct.pack("=II", offset, len(data)) + data)
        fcntl.ioctl(self.fd, _CONFIG_IRQ)


def offered(bits) -> int:
    """Returns a set of features as the kernel has it."""
    return sum(1 << bit for bit in bits)


def remove(name: str) -> None:
    """Takes a device away, if neither a process nor a driver has it."""
    with open("/dev/vduse/control", "r+b", buffering=0) as control:
        try:
            fcntl.ioctl(control, _DESTROY, bytearray(name.encode().ljust(_NAME_MAX, b"\0")))
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise


def run(devices: list) -> None:
    """Serves devices until SIGTERM, and takes them away then."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        serving.run(devices)
    finally:
        for device in devices:
            device.destroy()
