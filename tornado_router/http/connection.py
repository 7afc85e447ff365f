"""What the router may know of a client's connection, whichever server accepted it.

A front is what accepts connections and speaks HTTP: `tornado_front`, or another that drives
Tornado's documented `HTTPServerConnectionDelegate`. It passes its `ClientConnection` as the opaque
`server_conn` of `start_request`, so every request has it as `request.server_connection`.
"""

from __future__ import annotations

import socket
from typing import Protocol, cast

from tornado.httputil import HTTPServerRequest
from tornado.iostream import StreamClosedError

ClientGoneError = StreamClosedError
"""Raised by a write to a connection that is closed, whichever front it belongs to."""


class ClientConnection(Protocol):
    """One connection of a client, over TCP or TLS; it may carry many requests.

    Attributes:
        peer: IP address of the other end, which may be a proxy.
        secure: whether it is encrypted.
    """

    peer: str
    secure: bool

    @property
    def unsent(self) -> int:
        """Bytes of responses that wait in this process until the client reads."""
        ...

    @property
    def taken(self) -> int:
        """Bytes of responses that the client's system has confirmed so far, as far as is known."""
        ...

    def abort(self) -> None:
        """Closes it at once and drops what is unsent. Does nothing if it is closed."""
        ...


class ConnectionObserver(Protocol):
    """Called by a front for each connection."""

    def opened(self, connection: ClientConnection) -> bool:
        """A client has connected; returns False to refuse it, and then `closed` is not called."""
        ...

    def ended(self, connection: ClientConnection) -> None:
        """Nothing more is read of it, though its client may take its time to close it, too."""
        ...

    def closed(self, connection: ClientConnection) -> None:
        """The connection is closed, whichever side closed it."""
        ...

    def exhausted(self) -> None:
        """A client could not be let in, as the process has no more descriptors."""
        ...


class Front(Protocol):
    """Accepts connections and reads requests off them."""

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Begins to accept connections, on the running event loop."""
        ...

    def stop_listening(self) -> None:
        """Accepts no more connections; those that are open stay so."""
        ...

    async def close(self) -> None:
        """Aborts all connections, and returns when they are closed."""
        ...


def connection_of(request: HTTPServerRequest) -> ClientConnection:
    """The connection that a request came by."""
    return cast(ClientConnection, request.server_connection)
