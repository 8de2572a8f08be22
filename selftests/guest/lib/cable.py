# SPDX-License-Identifier: GPL-2.0
"""A cable between two NICs (virtio 1.2, 5.1) in one process: what one sends the other receives.

Offloads go over it as they are, as between guests of one host.
"""

import struct

import virtqueue

HEADER = 12
F_MRG_RXBUF = 15
#: CSUM, GUEST_CSUM, GUEST_TSO4, GUEST_TSO6, HOST_TSO4, HOST_TSO6
OFFLOADS = [0, 1, 7, 8, 11, 12]


class End:
    """One end of a cable. Who derives from it has `queues`, `features`, `memory` and `interrupt`, as
    `vduse.Device` has; queue 2N receives, and queue 2N + 1 transmits."""

    #: The other end.
    peer = None
    #: Queue -> buffers that were too few for a packet, for the next one.
    spare = {}

    def begin(self) -> None:
        """Is called before the queues that a driver has set up are served."""
        self.spare = {}

    def end(self, index: int) -> None:
        """Is called when a queue was let go of."""
        self.spare.pop(index, None)

    def serve(self, index: int, queue) -> bool:
        """Handles what is in a queue, and returns whether there was something."""
        if index % 2 == 0:
            # Buffers stay where they are until there is a packet.
            return False
        some = False
        while True:
            chain = queue.take()
            if chain is None:
                break
            some = True
            self.peer.receive(index - 1, virtqueue.gather(self.memory, chain.out))
            queue.put((chain, 0))
        if some:
            for one in list(self.peer.queues):
                self.peer.interrupt(one)
        return some

    def receive(self, index: int, packet: bytes) -> None:
        """Puts a packet into the driver's buffers, which it gets at a time; drops the packet if there are
        too few."""
        queue = self.queues.get(index)
        if not queue:
            return
        chains = self.spare.pop(index, [])
        most = len(packet) if virtqueue.has(self.features, F_MRG_RXBUF) else 1
        while len(chains) < most and sum(chain.room() for chain in chains) < len(packet):
            chain = queue.take()
            if chain is None:
                break
            chains.append(chain)
        if sum(chain.room() for chain in chains) < len(packet):
            self.spare[index] = chains
            return
        packet = packet[:HEADER - 2] + struct.pack("=H", len(chains)) + packet[HEADER:]
        used = []
        for chain in chains:
            length = virtqueue.scatter(self.memory, chain.into, packet)
            packet = packet[length:]
            used.append((chain, length))
        queue.put(*used)


def join(one: End, other: End) -> list:
    """Joins two ends, and returns them."""
    one.peer, other.peer = other, one
    return [one, other]
