"""What the router may know of a client's connection, whichever server accepted it.

A front is what accepts connections and speaks HTTP: `tornado_front`, or another that drives
Tornado's documented `HTTPServerConnectionDelegate`. It passes its `ClientConnection` as the opaque
`server_conn` of `start_request`, so every request has it as `request.server_connection`.
"""

from __future__ import annotations

import socket
from asyncio import Future
from typing import Protocol, cast

from tornado.httputil import HTTPConnection, HTTPServerRequest
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

    def open_tunnel(self, exchange: HTTPConnection) -> Tunnel:
        """Takes the connection over for another protocol, in place of the response to a request.

        Args:
            exchange: the request's `connection`.

        Raises:
            ClientGoneError: it is closed.
        """
        ...


class Tunnel(Protocol):
    """The bytes of a connection on which another protocol than HTTP is spoken from now on."""

    async def read(self) -> bytes:
        """What has arrived; waits for some. Empty once nothing more comes.

        What is not fetched is not read from the network, apart from some 64 KB.
        """
        ...

    def write(self, data: bytes) -> Future[None]:
        """Sends some; done once the client's system, or ours, has taken it.

        It fails with `ClientGoneError`.
        """
        ...

    def close(self) -> None:
        """Closes the connection once all is sent that `write` has awaited."""
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


def open_tunnel(request: HTTPServerRequest) -> Tunnel:
    """Takes the connection of a request over for another protocol.

    Raises:
        ClientGoneError: it is closed.
    """
    assert request.connection is not None, "the request came over one"
    return connection_of(request).open_tunnel(request.connection)
