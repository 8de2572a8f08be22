# SPDX-License-Identifier: GPL-2.0
"""The host's end of the streams of paths.c.

The first byte of a connection is its direction: "o" out of the guest, "i" into it. Out, each chunk is answered by a
byte; in, each byte by a chunk.
"""

import socket

PORT, CHUNK = 5011, 256 * 1024


def serve(connection) -> None:
    """Serves one connection until the guest closes it."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    direction, data = connection.recv(1), bytes(CHUNK)
    while True:
        if direction == b"i":
            if not connection.recv(1):
                return
            connection.sendall(data)
        else:
            if len(connection.recv(CHUNK, socket.MSG_WAITALL)) < CHUNK:
                return
            connection.sendall(b"!")


def main() -> None:
    """Serves one connection after the other."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # The window is as large as a chunk from the beginning.
    for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
        listener.setsockopt(socket.SOL_SOCKET, option, 2 << 20)
    listener.bind(("", PORT))
    listener.listen()
    while True:
        with listener.accept()[0] as connection:
            try:
                serve(connection)
            except OSError:
                pass  # The guest's end went away.


if __name__ == "__main__":
    main()
