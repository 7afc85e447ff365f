"""Connections whose clients end their own side behind a request and wait for the response.

`nc -N` does so. What arrives of it is the same end that a client sends who has left, and for whom
work has to be cancelled at once. Only data makes a difference: the system of one who left resets
the connection. So some are sent that mean nothing: `100 Continue` before a response, which a client
of HTTP/1.1 has to skip (RFC 9110 section 15.2); within a chunked one, a leading zero of the next
chunk's size (RFC 9112 section 7.1). On systems without epoll, with TLS and for HTTP/1.0, every end
is taken for that of a client who has left.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Any

from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LEADING_ZERO = b"0"

WATCHES = hasattr(select, "epoll")
"""Whether the system reports the reset of a connection that is neither read nor written."""


class HalfClosed:
    """The connections whose clients have ended their side; closes those that are reset.

    The event loop asks for what can be read or written, and such a connection can always be read.
    Another epoll asks for nothing but the reset, which is always reported. To be made on the
    running event loop.
    """

    def __init__(self) -> None:
        self._closes: dict[int, Callable[[], None]] = {}
        self._epoll = select.epoll()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._close_reset)

    def add(self, file: int, close: Callable[[], None]) -> None:
        """Watches a connection until it is removed.

        Args:
            file: its descriptor.
            close: called when it is reset.
        """
        self._closes[file] = close
        self._epoll.register(file, 0)

    def remove(self, file: int) -> None:
        """Watches it no more, if it is watched."""
        if self._closes.pop(file, None):
            self._epoll.unregister(file)

    def close(self) -> None:
        """Watches none."""
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._closes.clear()

    def _close_reset(self) -> None:
        for file, _ in self._epoll.poll(0):
            close = self._closes[file]
            self.remove(file)
            close()


class _WriteOnly:
    """An event loop that is asked for what can be written and for nothing else.

    Args:
        loop: the event loop itself.
    """

    def __init__(self, loop: IOLoop) -> None:
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
