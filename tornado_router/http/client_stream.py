"""Tornado's stream, for clients that end their own side behind a request and wait for a response.

`half_closed` knows them from those that have left, once some data was sent that means nothing:
`100 Continue` before a response, which a client of HTTP/1.1 has to skip (RFC 9110 section 15.2);
within a chunked one, a leading zero of the next chunk's size (RFC 9112 section 7.1).
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

from tornado_router.http.half_closed import HalfClosed

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LEADING_ZERO = b"0"


class _Listener:
    """An event loop that listens to one client until some of what it sends is not read now.

    Tornado stops and begins anew for each request whose body came with its head: two system calls,
    2 % of a call.

    Args:
        loop: the event loop itself.
    """

    READ, WRITE, ERROR = IOLoop.READ, IOLoop.WRITE, IOLoop.ERROR

    __slots__ = ("_handler", "_listens_for", "_loop", "_wanted")

    def __init__(self, loop: IOLoop) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def add_handler(self, fd: Any, handler: Callable[..., None], events: int) -> None:
        self._handler = handler
        self._wanted = self._listens_for = events
        self._loop.add_handler(fd, self._handle, events)

    def update_handler(self, fd: Any, events: int) -> None:
        self._wanted = events
        if self._listens_for not in (events, events | IOLoop.READ):
            self._listen_for(fd, events)

    def remove_handler(self, fd: Any) -> None:
        self._loop.remove_handler(fd)
        del self._handler  # which is the connection's own, and would keep it

    def _listen_for(self, fd: Any, events: int) -> None:
        self._listens_for = events
        self._loop.update_handler(fd, events)

    def _handle(self, fd: Any, events: int) -> None:
        if events & self._wanted:
            self._handler(fd, events)
        else:
            self._listen_for(fd, self._wanted)


class _WriteOnly:
    """An event loop that is asked for what can be written and for nothing else.

    Args:
        loop: that of the connection.
    """

    def __init__(self, loop: _Listener) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def add_handler(self, fd: Any, handler: Callable[..., None], events: int) -> None:
        self._loop.add_handler(fd, handler, events & ~IOLoop.READ)

    def update_handler(self, fd: Any, events: int) -> None:
        self._loop.update_handler(fd, events & ~IOLoop.READ)


class ClientStream(IOStream):
    """A connection without TLS that outlives the end of its client's side.

    Args:
        connection: the socket.
        half_closed: the connections whose clients have ended their side.

    Attributes:
        exchange: Tornado's object for the request that came last and its response, or None.
    """

    def __init__(self, connection: socket.socket, half_closed: HalfClosed | None) -> None:
        super().__init__(connection)
        self.io_loop: Any = _Listener(self.io_loop)
        self._half_closed = half_closed
        self._is_half = self._saw_end = False
        self.exchange: Any = None

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """In place of Tornado's: while a response is due, the end counts as nothing to read."""
        try:
            count = self.socket.recv_into(buf, len(buf))
        except BlockingIOError:
            return None
        if count == 0 and self._outlives_end():
            return None
        return count

    def close_fd(self) -> None:
        """Called by Tornado: closes the socket."""
        if self._is_half and self._half_closed:
            self._half_closed.remove(self.socket.fileno())
        super().close_fd()

    def _outlives_end(self) -> bool:
        if self._read_future is not None:
            # What came with the end may be all that is waited for: it is looked at first.
            is_first, self._saw_end = not self._saw_end, True
            return is_first and self._read_buffer_size > 0
        exchange = self.exchange
        if exchange is None or exchange.stream is not self or exchange._finish_future.done():
            return False  # no response is due
        if self._is_half:
            return True
        line = exchange._request_start_line
        if self._half_closed is None or (line and line.version != "HTTP/1.1"):
            return False
        self._is_half = self._saw_end = True
        self._half_closed.add(self.socket.fileno(), self.close)
        self.io_loop.add_callback(self._probe, exchange)
        self.io_loop = _WriteOnly(self.io_loop)
        if self._state is not None:
            self.io_loop.update_handler(self.fileno(), self._state)
        return True

    def _probe(self, exchange: Any) -> None:
        """Writes something that means nothing at this point of the response."""
        if self.closed() or exchange is not self.exchange or exchange._write_finished:
            return
        if exchange._response_start_line is None:
            self.write(_CONTINUE)
        elif exchange._chunking_output:
            self.write(_LEADING_ZERO)
