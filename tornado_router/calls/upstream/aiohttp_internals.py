"""The parts of aiohttp behind its public interface that the router needs, each used here alone.

aiohttp neither counts the connections of a pool nor changes a time-out once a request is sent, and
it keeps what it has received of a body that breaks off.
When aiohttp's version is raised, the tests of this module fail by name if a part is gone or means
something else.
"""

from __future__ import annotations

from collections.abc import Mapping

import aiohttp

CHECKED = ("3.14.2", "3.14.5")
"""The oldest and the newest version that the tests of this module were run with."""


class Pool(aiohttp.TCPConnector):
    """Kept connections, with their numbers."""

    @property
    def in_use(self) -> int:
        """Connections that requests have, or that are being made for them."""
        return len(self._acquired)

    @property
    def idle(self) -> int:
        """Connections that wait for a request."""
        return sum(map(len, self._conns.values()))

    @property
    def waiting(self) -> int:
        """Requests that wait for a connection."""
        return sum(map(len, self._waiters.values()))


def limit_silence(response: aiohttp.ClientResponse, seconds: float | None) -> None:
    """Sets how long a response that has begun may pause between its bytes.

    Until then the limit of the session holds, `sock_read`: the time to the first byte.

    Args:
        response: whose body is read.
        seconds: the limit; None for none.
    """
    connection = response.connection
    protocol = connection.protocol if connection is not None else None
    if protocol is not None:  # it is empty, and so it is false
        protocol.read_timeout = seconds
        if not protocol._reading_paused:  # a timer that runs keeps the limit it began with
            protocol.start_timeout()


def unread(response: aiohttp.ClientResponse) -> bytes:
    """What was received of a body that broke off, and was not read before that.

    Nothing, if its time is over.
    """
    try:
        return response.content._read_nowait(-1)
    except TimeoutError:
        return b""


def handshake_headers(socket: aiohttp.ClientWebSocketResponse) -> Mapping[str, str]:
    """The headers of the response that opened a websocket."""
    return socket._response.headers
