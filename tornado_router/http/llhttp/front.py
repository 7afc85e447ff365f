"""The front over llhttp: accepts connections, and knows those that are open."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from tornado.httputil import HTTPServerConnectionDelegate

from tornado_router.background.supervisor import start_task
from tornado_router.background.turns import Turns
from tornado_router.config.options import ServerOptions
from tornado_router.endpoints.base import LARGE_BODY
from tornado_router.http.acceptor import Acceptor
from tornado_router.http.connection import ConnectionObserver
from tornado_router.http.half_closed import WATCHES, HalfClosed
from tornado_router.http.kernel_buffers import bound_unsent
from tornado_router.http.llhttp.connection import LlhttpConnection
from tornado_router.http.llhttp.tls_transport import TlsTransport
from tornado_router.http.tls import Tls

READ_BYTES = 64 * 1024
"""What is read at once, and thus the most that is held of what follows a request too early."""

BODY_BYTES = 512 * 1024
"""What is read at once of a body with as much to come: fewer turns for an upload."""

AT_ONCE = 16
"""So many clients who send much are read in one turn of the event loop, at most 4 ms of work."""


class LlhttpFront:
    """A `Front` on asyncio's transports, whose requests llhttp takes apart.

    Args:
        application: serves the requests.
        observer: called for each connection.
        options: `[server]`.
        discarded_bodies: a body of up to so many times the limit is read all the same, so that its
            sender gets to see why it was refused; the connection of a larger one is closed.
        tls: how connections are encrypted, or None.

    Attributes:
        application: the same.
        max_header_bytes: of a head.
        max_body_bytes: of a body that is read.
        half_closed: watches connections whose clients have ended their side.
        read_buffer: what is read at once, of one connection after the other.
        body_buffer: the same of a large body; `read_buffer` is its beginning.
        turns: that clients take who send much at once.
        clients: every open connection.
    """

    def __init__(
        self,
        application: HTTPServerConnectionDelegate,
        observer: ConnectionObserver,
        options: ServerOptions,
        discarded_bodies: int = 1,
        tls: Tls | None = None,
    ) -> None:
        self.application = application
        self.max_header_bytes = options.max_header_bytes
        discarded = (options.max_body_bytes or LARGE_BODY) * discarded_bodies
        self.max_body_bytes = max(discarded, options.max_upload_bytes)
        self.half_closed: HalfClosed | None = None
        self.body_buffer = memoryview(bytearray(BODY_BYTES))
        self.read_buffer = self.body_buffer[:READ_BYTES]
        self.turns = Turns("reading", AT_ONCE)
        self.clients: set[LlhttpConnection] = set()
        self._observer = observer
        self._tls = tls
        self._acceptors: list[Acceptor] = []
        self._none_left = asyncio.Event()

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Begins to accept connections, on the running event loop."""
        for item in sockets:
            bound_unsent(item)
        self.half_closed = HalfClosed() if WATCHES else None
        self._acceptors = [Acceptor(it, self._take, self._observer.exhausted) for it in sockets]

    def stop_listening(self) -> None:
        """Accepts no more connections; those that are open stay so."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors = []

    async def close(self) -> None:
        """Aborts all connections, and returns when they are closed."""
        for client in tuple(self.clients):
            client.abort()
        while self.clients:
            self._none_left.clear()
            await self._none_left.wait()
        if self.half_closed:
            self.half_closed.close()
            self.half_closed = None

    def ended(self, connection: LlhttpConnection) -> None:
        """Nothing more is read of a connection."""
        self._observer.ended(connection)

    def closed(self, connection: LlhttpConnection) -> None:
        """A connection is closed."""
        self.clients.discard(connection)
        self._observer.closed(connection)
        if not self.clients:
            self._none_left.set()

    def _take(self, accepted: socket.socket, address: Any) -> None:
        """Begins to serve a connection that was accepted."""
        secure = self._tls is not None
        connection = LlhttpConnection(self, accepted, address, secure=secure)
        if not self._observer.opened(connection):
            accepted.close()
            return
        self.clients.add(connection)
        accepted.setblocking(False)
        start_task("accepting", self._connect(accepted, connection))

    async def _connect(self, accepted: socket.socket, connection: LlhttpConnection) -> None:
        """Gives a connection its transport."""
        protocol: asyncio.BaseProtocol = connection
        if self._tls:
            protocol = TlsTransport(connection, self._tls.context, connection.peer, self.turns)
        loop = asyncio.get_running_loop()
        try:
            await loop.connect_accepted_socket(lambda: protocol, accepted)
        except Exception as error:
            accepted.close()
            self.closed(connection)
            if not isinstance(error, OSError):  # as it is where the client has left already
                raise
