# SPDX-License-Identifier: GPL-2.0
"""The back end of a virtio device of QEMU's, in a process of the host, by vhost-user."""

import array
import errno
import fcntl
import mmap
import os
import selectors
import socket
import struct

import serving

import virtqueue

_F_PROTOCOL_FEATURES = 30
_VERSION, _REPLY, _WANTS_REPLY = 1, 4, 8

(_GET_FEATURES, _SET_FEATURES, _SET_OWNER, _RESET_OWNER, _SET_MEM_TABLE, _SET_LOG_BASE, _SET_LOG_FD,
 _SET_VRING_NUM, _SET_VRING_ADDR, _SET_VRING_BASE, _GET_VRING_BASE, _SET_VRING_KICK, _SET_VRING_CALL,
 _SET_VRING_ERR, _GET_PROTOCOL_FEATURES, _SET_PROTOCOL_FEATURES, _GET_QUEUE_NUM,
 _SET_VRING_ENABLE) = range(1, 19)

#: MQ, REPLY_ACK
_PROTOCOL_FEATURES = 1 << 0 | 1 << 3
_NO_FD = 1 << 8


class Memory(serving.Memory):
    """The guest's memory, by the guest's addresses."""

    # A mapped part is (first address of the guest, first one of QEMU, length, mapping, offset in it).

    def fill(self, data: bytes, fds: list) -> None:
        """Maps what QEMU says the memory is."""
        self.forget()
        count, = struct.unpack_from("=I", data)
        for index in range(count):
            guest, length, user, offset = struct.unpack_from("=QQQQ", data, 8 + 32 * index)
            mapping = mmap.mmap(fds[index], offset + length, mmap.MAP_SHARED,
                                mmap.PROT_READ | mmap.PROT_WRITE)
            self._mapped.append((guest, user, length, mapping, offset))

    def area(self, address: int, length: int) -> tuple:
        """Returns the mapping that holds a range and where it begins in there.

        # Errors

        `OSError` (`EFAULT`) if it is not memory.
        """
        for guest, _, size, mapping, offset in self._mapped:
            if guest <= address and address + length <= guest + size:
                return mapping, address - guest + offset
        raise OSError(errno.EFAULT, f"{length} bytes at {address:#x} are not memory of the guest")

    def of_qemu(self, address: int) -> int:
        """Returns the guest's address of one of QEMU's."""
        for guest, user, size, _, _ in self._mapped:
            if user <= address < user + size:
                return address - user + guest
        raise OSError(errno.EFAULT, f"{address:#x} is not memory of the guest")


class Info:
    """Size of a queue and addresses of its parts, as far as they are known; file descriptors for it."""

    def __init__(self):
        self.size = self.desc = self.driver = self.device = 0
        self.kick = self.call = -1
        self.enabled = False
        #: The place at which to go on, None if QEMU has not said.
        self.place = None


class Device(serving.Device):
    """A back end; a kind of device derives from it and says what happens in `serve`."""

    def __init__(self, path: str, features: int, queues: int):
        super().__init__()
        self.memory = Memory()
        self._offered = features | 1 << virtqueue.F_VERSION_1 | 1 << _F_PROTOCOL_FEATURES
        self._infos = [Info() for _ in range(queues)]
        self._front = None
        if os.path.exists(path):
            os.unlink(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(path)
        self._listener.listen(1)

    def watch(self, selector) -> None:
        self._selector = selector
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def _accept(self) -> None:
        self._front, _ = self._listener.accept()
        self._selector.register(self._front, selectors.EVENT_READ, self._message)

    def _hang_up(self) -> None:
        for index, info in enumerate(self._infos):
            self._stop(index)
            info.place = None
        self._selector.unregister(self._front)
        self._front.close()
        self.memory.forget()

    def _receive(self, size: int) -> tuple:
        """Returns so many bytes of QEMU's and the file descriptors that came with them."""
        data, fds = b"", array.array("i")
        while len(data) < size:
            part, extra, _, _ = self._front.recvmsg(size - len(data), socket.CMSG_LEN(8 * fds.itemsize))
            if not part:
                raise EOFError
            data += part
            for level, kind, value in extra:
                if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                    fds.frombytes(value[:len(value) - len(value) % fds.itemsize])
        return data, list(fds)

    def _message(self) -> None:
        """Does what a message asks for."""
        try:
            head, fds = self._receive(12)
            kind, flags, size = struct.unpack("=III", head)
            data = self._receive(size)[0] if size else b""
        except (EOFError, ConnectionError):
            self._hang_up()
            return
        answer = self._do(kind, data, fds)
        if answer is None and flags & _WANTS_REPLY:
            answer = struct.pack("=Q", 0)
        if answer is not None:
            self._front.sendall(struct.pack("=III", kind, _VERSION | _REPLY, len(answer)) + answer)

    def _do(self, kind: int, data: bytes, fds: list):
        """Carries a message out and returns the answer, None if there is none."""
        if kind == _GET_FEATURES:
            return struct.pack("=Q", self._offered)
        if kind == _GET_PROTOCOL_FEATURES:
            return struct.pack("=Q", _PROTOCOL_FEATURES)
        if kind == _GET_QUEUE_NUM:
            return struct.pack("=Q", len(self._infos) // 2)
        if kind == _SET_FEATURES:
            self.features, = struct.unpack("=Q", data)
        elif kind == _SET_MEM_TABLE:
            self.memory.fill(data, fds)
            for fd in fds:
                os.close(fd)
        elif kind in (_SET_VRING_KICK, _SET_VRING_CALL, _SET_VRING_ERR):
            self._set_fd(kind, data, fds)
        elif kind == _SET_VRING_ADDR:
            index, _, desc, device, driver, _ = struct.unpack("=IIQQQQ", data)
            info = self._infos[index]
            info.desc, info.driver, info.device = map(self.memory.of_qemu, (desc, driver, device))
        elif kind in (_SET_VRING_NUM, _SET_VRING_BASE, _GET_VRING_BASE, _SET_VRING_ENABLE):
            return self._do_to_queue(kind, *struct.unpack("=II", data))
        return None

    def _do_to_queue(self, kind: int, index: int, value: int):
        """Carries a message about one queue out, as `_do`."""
        info = self._infos[index]
        if kind == _SET_VRING_NUM:
            info.size = value
        elif kind == _SET_VRING_BASE:
            info.place = value
        elif kind == _SET_VRING_ENABLE:
            info.enabled = bool(value)
            self._start(index)
        else:
            self._stop(index)
            return struct.pack("=II", index, info.place or 0)
        return None

    def _set_fd(self, kind: int, data: bytes, fds: list) -> None:
        value, = struct.unpack("=Q", data)
        fd = -1 if value & _NO_FD or not fds else fds[0]
        info = self._infos[value & 0xff]
        if kind == _SET_VRING_KICK:
            self._stop(value & 0xff)
            info.kick = fd
            self._start(value & 0xff)
        elif kind == _SET_VRING_CALL:
            if info.call >= 0:
                os.close(info.call)
            info.call = fd
        elif fd >= 0:
            os.close(fd)

    def _start(self, index: int) -> None:
        """Begins with a queue, if all is known of it."""
        info = self._infos[index]
        if index in self.queues or info.kick < 0 or not info.enabled:
            return
        if not self.queues:
            self.begin()
        fcntl.fcntl(info.kick, fcntl.F_SETFL, os.O_NONBLOCK)
        self._begin_queue(index, virtqueue.queue(self.memory, info, self.features), info.kick)
        # What another process has handed back without saying so.
        self._tell(index)

    def _stop(self, index: int) -> None:
        """Lets go of a queue, and notes where to go on."""
        info = self._infos[index]
        queue = self.queues.pop(index, None)
        if queue:
            info.place = queue.place()
            self._selector.unregister(self._kicks.pop(index))
            self.end(index)
        if info.kick >= 0:
            os.close(info.kick)
            info.kick = -1

    def _tell(self, index: int) -> None:
        if self._infos[index].call >= 0:
            os.write(self._infos[index].call, struct.pack("=Q", 1))
