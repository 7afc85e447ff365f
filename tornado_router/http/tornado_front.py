"""The front that is Tornado's own HTTP server; with `client_stream`, all that reaches behind it.

Not documented by Tornado, and thus checked by a test of their own with each version that
`setup.py` allows (last: 6.6): `stream` of its server connections, `header_timeout` of a server's
`conn_params`, and the counters `_total_write_index` and `_total_write_done_index` of a stream.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import Future
from functools import partial
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPConnection, HTTPMessageDelegate, HTTPServerConnectionDelegate
from tornado.iostream import IOStream, SSLIOStream, StreamClosedError
from tornado.netutil import ssl_wrap_socket

from tornado_router.config.options import ServerOptions
from tornado_router.endpoints.base import LARGE_BODY
from tornado_router.http.acceptor import Acceptor
from tornado_router.http.client_stream import ClientStream
from tornado_router.http.connection import ClientGoneError, ConnectionObserver
from tornado_router.http.half_closed import WATCHES, HalfClosed
from tornado_router.http.kernel_buffers import bound_unsent, drop_unsent, in_send_buffer
from tornado_router.http.tls import Tls

READ_BYTES = 64 * 1024
"""Of a tunnel, so much is read at once."""


class TornadoConnection:
    """A `ClientConnection` over one of Tornado's streams.

    Args:
        stream: the connection.
        address: of the other end, as `socket.accept` returns it.
    """

    __slots__ = ("_stream", "is_tunnel", "peer", "secure")

    def __init__(self, stream: IOStream, address: Any) -> None:
        self._stream = stream
        self.peer = str(address[0])
        self.secure = isinstance(stream, SSLIOStream)
        self.is_tunnel = False

    @property
    def unsent(self) -> int:
        """Bytes of responses that wait in this process until the client reads."""
        stream: Any = self._stream
        unsent: int = stream._total_write_index - stream._total_write_done_index
        return unsent if not stream.closed() else 0

    @property
    def taken(self) -> int:
        """Bytes of responses that the client's system has confirmed so far, as far as is known."""
        stream: Any = self._stream
        done: int = stream._total_write_done_index
        return done - in_send_buffer(stream.socket)

    def abort(self) -> None:
        """Closes it at once and drops what is unsent. Does nothing if it is closed."""
        if self._stream.closed():
            return
        if self.unsent:
            drop_unsent(self._stream.socket)
        self._stream.close()

    def open_tunnel(self, exchange: HTTPConnection) -> StreamTunnel:
        """Takes the connection over, in place of a response; see `ClientConnection`."""
        if self._stream.closed():
            raise ClientGoneError
        self.is_tunnel = True
        exchange.detach()  # type: ignore[attr-defined]  # documented, of Tornado's own
        return StreamTunnel(self._stream)


class StreamTunnel:
    """The bytes of one of Tornado's streams; see `http.connection.Tunnel`.

    Args:
        stream: the connection.
    """

    def __init__(self, stream: IOStream) -> None:
        self._stream = stream

    async def read(self) -> bytes:
        """What has arrived; empty at the end."""
        try:
            return await self._stream.read_bytes(READ_BYTES, partial=True)
        except StreamClosedError:
            return b""

    def write(self, data: bytes) -> Future[None]:
        """Sends some; done once it is taken."""
        try:
            return self._stream.write(data)
        except StreamClosedError as error:
            written: Future[None] = Future()
            written.set_exception(error)
            written.exception()  # who does not wait for it need not hear of it
            return written

    def close(self) -> None:
        """Closes the connection."""
        self._stream.close()


class TornadoFront:
    """A `Front` that is Tornado's HTTP server.

    Args:
        application: serves the requests.
        observer: called for each connection.
        options: `[server]`.
        discarded_bodies: a body of up to so many times the limit is read all the same, so that its
            sender gets to see why it was refused; the connection of a larger one is closed.
        tls: how connections are encrypted, or None.
    """

    def __init__(
        self,
        application: HTTPServerConnectionDelegate,
        observer: ConnectionObserver,
        options: ServerOptions,
        discarded_bodies: int = 1,
        tls: Tls | None = None,
    ) -> None:
        self._observer = observer
        self._acceptors: list[Acceptor] = []
        self._server = _Server(
            application,
            observer=observer,
            max_body_size=max(
                (options.max_body_bytes or LARGE_BODY) * discarded_bodies, options.max_upload_bytes
            ),
            max_header_size=options.max_header_bytes,
            ssl_options=tls.context if tls else None,
        )

    async def listen(self, sockets: list[socket.socket]) -> None:
        """Begins to accept connections, on the running event loop."""
        for item in sockets:
            bound_unsent(item)
        self._server.begin()
        take, exhausted = self._server.take, self._observer.exhausted
        self._acceptors = [Acceptor(item, take, exhausted) for item in sockets]

    def stop_listening(self) -> None:
        """Accepts no more connections; those that are open stay so."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors = []

    async def close(self) -> None:
        """Aborts all connections, and returns when they are closed."""
        for client in list(self._server.clients.values()):
            client.abort()
        await self._server.close_all_connections()
        await self._server.closed_all()
        self._server.end()


class _Stream(IOStream):
    """Sends what is written at once. Tornado turns that on and off for each response.

    What is written is whole: a response, or the chunks that came together. Held back until the
    client has confirmed the one before, a chunk would be late by a trip.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        super().set_nodelay(True)

    def set_nodelay(self, value: bool) -> None:
        """Leaves it on."""


class _PlainStream(_Stream, ClientStream):
    """The same without TLS."""


class _EncryptedStream(_Stream, SSLIOStream):
    """The same over TLS."""


class _Server(HTTPServer):
    """Tornado's server, with our connection in place of its own as the opaque `server_conn`.

    Attributes:
        clients: every open connection, by its stream.
    """

    def initialize(  # type: ignore[override]  # Tornado's has an argument for each option
        self,
        application: HTTPServerConnectionDelegate,
        observer: ConnectionObserver,
        **options: Any,
    ) -> None:
        self.clients: dict[IOStream, TornadoConnection] = {}
        self._observer = observer
        self._none_left = asyncio.Event()
        self._half_closed: HalfClosed | None = None
        super().initialize(application, **options)
        # `ClientBounds` closes idle connections. A timer for each request takes 2 % of a call.
        self.conn_params.header_timeout = None

    def begin(self) -> None:
        """Has to be called on the running event loop before a connection is taken."""
        self._half_closed = HalfClosed() if WATCHES else None

    def end(self) -> None:
        """Is called once no connection is left."""
        if self._half_closed:
            self._half_closed.close()
            self._half_closed = None

    def take(self, connection: socket.socket, address: Any) -> None:
        """Begins to serve a connection that was accepted."""
        if self.ssl_options is None:
            stream: IOStream = _PlainStream(connection, self._half_closed)
        else:
            try:
                encrypted = ssl_wrap_socket(
                    connection, self.ssl_options, server_side=True, do_handshake_on_connect=False
                )
            except OSError:  # its client has left already
                connection.close()
                return
            stream = _EncryptedStream(encrypted)
        self.handle_stream(stream, address)

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        client = TornadoConnection(stream, address)
        if not self._observer.opened(client):
            stream.close()
            return
        self.clients[stream] = client
        super().handle_stream(stream, address)

    def start_request(self, server_conn: Any, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        server_conn.stream.exchange = request_conn
        return super().start_request(self.clients[server_conn.stream], request_conn)

    def on_close(self, server_conn: Any) -> None:
        super().on_close(server_conn)
        stream = server_conn.stream
        stream.exchange = None
        if self.clients[stream].is_tunnel and not stream.closed():
            # For Tornado it is over, as no request follows.
            stream.set_close_callback(partial(self._closed, stream))
        else:
            self._closed(stream)

    async def closed_all(self) -> None:
        """Waits until none is open: tunnels are, of which Tornado's server knows no more."""
        while self.clients:
            self._none_left.clear()
            await self._none_left.wait()

    def _closed(self, stream: IOStream) -> None:
        self._observer.closed(self.clients.pop(stream))
        if not self.clients:
            self._none_left.set()
