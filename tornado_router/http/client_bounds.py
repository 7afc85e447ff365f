"""Bounds on what clients may hold of a process: calls at once, and time without progress."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple, Protocol

from loguru import logger
from tornado.httputil import HTTPServerRequest
from tornado.iostream import IOStream

from tornado_router.config.options import ServerOptions
from tornado_router.errors import ApiError

SWEEP_SECONDS = 1.0

RETRY_SECONDS = 1
"""When a client that was turned away may come back: calls end all the time."""


class Writer(Protocol):
    """Something that writes to a client.

    Attributes:
        blocked_since: since when it waits until the client has taken something, by
            `time.monotonic()`; None while it does not wait.
    """

    blocked_since: float | None
    request: HTTPServerRequest


class _Opened(NamedTuple):
    since: float
    address: str


class Overload:
    """Turns calls away beyond a number, and hangs up on clients that hold a connection for nothing.

    One sweep a second looks at all of them: a timer for each would cost every request.

    Args:
        options: `[server]`.

    Attributes:
        calls: that run now.
        limit: the most that may.
    """

    def __init__(self, options: ServerOptions) -> None:
        self.limit = options.max_calls
        self._send_seconds = options.body_seconds
        self._read_seconds = options.stalled_seconds
        self._opened: dict[IOStream, _Opened] = {}
        self._arriving: dict[HTTPServerRequest, float] = {}
        self._writing: set[Writer] = set()
        self._timer: asyncio.TimerHandle | None = None
        self.calls = 0

    def start(self) -> None:
        """Begins to sweep, on the running event loop."""
        self._timer = asyncio.get_running_loop().call_later(SWEEP_SECONDS, self._sweep)

    def close(self) -> None:
        """Stops sweeping."""
        if self._timer:
            self._timer.cancel()

    def opened(self, stream: IOStream, address: str) -> None:
        """A client has connected; its TLS handshake and its first request are still to come.

        Args:
            stream: the connection.
            address: of the client.
        """
        self._opened[stream] = _Opened(time.monotonic(), address)

    def arriving(self, request: HTTPServerRequest) -> None:
        """The head of a request is here; its body may still come."""
        self._opened.pop(_stream(request), None)  # type: ignore[arg-type]  # None is not there
        self._arriving[request] = time.monotonic()

    def arrived(self, request: HTTPServerRequest) -> None:
        """All of it is here."""
        self._arriving.pop(request, None)

    def begin_call(self) -> None:
        """Lets a call begin; it has to be ended.

        Raises:
            ApiError: 503, there are too many.
        """
        if self.calls >= self.limit:
            raise ApiError(
                503,
                "The router has too many calls at the moment. Please try again shortly.",
                type="server_error",
                code="overloaded",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        self.calls += 1

    def end_call(self) -> None:
        """A call that began is over."""
        self.calls -= 1

    def begin_writing(self, writer: Writer) -> None:
        """Somebody writes a stream."""
        self._writing.add(writer)

    def end_writing(self, writer: Writer) -> None:
        """The stream is written."""
        self._writing.discard(writer)

    def _sweep(self) -> None:
        now = time.monotonic()
        for stream, opened in list(self._opened.items()):
            if stream.closed() or now - opened.since > self._send_seconds:
                del self._opened[stream]
                _hang_up(stream, opened.address, "it did not send a request")
        for request, since in list(self._arriving.items()):
            if now - since > self._send_seconds:
                del self._arriving[request]
                _hang_up(_stream(request), request.remote_ip, "its request did not come whole")
        for writer in list(self._writing):
            since_ = writer.blocked_since
            if since_ is not None and now - since_ > self._read_seconds:
                self._writing.discard(writer)
                request = writer.request
                _hang_up(_stream(request), request.remote_ip, "it does not read its answer")
        self.start()


def _stream(request: HTTPServerRequest) -> IOStream | None:
    """The connection that a request came by; only an HTTP1Connection has one."""
    return getattr(request.connection, "stream", None)


def _hang_up(stream: IOStream | None, address: str | None, why: str) -> None:
    if stream is not None and not stream.closed():
        logger.info("hung up on {}: {}", address, why)
        stream.close()
