"""What every client of vendors holds at most, and how long it waits for the end of a stream."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from tornado_router import __version__

STREAM_BUFFER = 16 * 1024
"""Of a stream that its client does not read, the HTTP client holds twice this, and one read."""

RECEIVE_BUFFER = 64 * 1024
"""Of the socket: the most that one read brings, whatever the event loop would take."""

PIECE = 4 * 1024
"""The most of a stream that is parsed at once: parsed, it takes some twenty times its size, which
is held while a slow client takes its time. A chunk is a few hundred bytes."""

END_SECONDS = 0.25
"""For this long the end of a stream is awaited behind its last event, to keep the connection."""

HEADERS = {"User-Agent": f"tornado-router/{__version__}", "Accept-Encoding": "identity"}
"""Of every request, unless it has others of that name."""


def bounded_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket that reads no more than `RECEIVE_BUFFER` at once.

    Args:
        address: as `socket.getaddrinfo` returns them.
    """
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    bound(made, RECEIVE_BUFFER)
    return made


def bound(made: socket.socket, size: int) -> None:
    """Has a socket bring so many bytes in one read at most, and hold as many.

    Once it is connected, that may grow again later; before, the other end learns of no more.
    """
    with suppress(OSError):  # it was closed meanwhile
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
