"""What of a response waits in the system until it can be sent to a client."""

from __future__ import annotations

import fcntl
import socket
import struct
import sys
import termios

KERNEL_BYTES = 128 * 1024
"""Of a response, so many bytes at most wait in the system until they can be sent to a client.

What more it would take of each that does not read, some megabytes, no limit of ours would see."""

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing resets the connection and frees its send buffer."""


def bound_unsent(listening: socket.socket) -> None:
    """Has the system take `KERNEL_BYTES` at most of what is written to each that is accepted."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):  # accepted connections inherit it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, KERNEL_BYTES)


def drop_unsent(sock: socket.socket) -> None:
    """Has the system drop what it holds once the connection is closed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def in_send_buffer(sock: socket.socket | None) -> int:
    """Bytes that the system holds until the client's system confirms them; Linux alone counts."""
    if sock is None or sys.platform != "linux":
        return 0
    try:
        (count,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, b"\0\0\0\0"))
    except OSError:
        return 0
    return int(count)
