"""Runs the handler of a request from its head on, while the body still comes in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tornado.httputil import HTTPHeaders, HTTPMessageDelegate, HTTPServerRequest
from tornado.web import Application

from tornado_router.background.supervisor import start_task
from tornado_router.error_codes import Invalid, Refusal
from tornado_router.http.connection import ClientConnection

if TYPE_CHECKING:
    from tornado_router.http.handlers.base import BaseHandler

MAX_DIGITS = 20

DISCARDED_BYTES = 32 * 1024 * 1024
"""So much of a body that is refused is read all the same."""


class StreamedBody:
    """The body of a request, piece by piece: more is read once what came was taken.

    Args:
        headers: of the request.
        limit: of it, in bytes.
        seconds: that its client may take for the next piece; then the connection is closed.
        client: that sends it.

    Attributes:
        size: in bytes, as its head says; None if that does not.
    """

    def __init__(
        self, headers: HTTPHeaders, limit: int, seconds: float, client: ClientConnection
    ) -> None:
        length = headers.get("Content-Length", "")
        is_known = length.isdecimal() and len(length) <= MAX_DIGITS
        self.size = int(length) if is_known else None
        self.is_empty = self.size == 0 or (self.size is None and not _is_chunked(headers))
        self._limit = limit
        self._seconds = seconds
        self._client = client
        self._received = 0
        self._piece = b""
        self._taken: asyncio.Future[None] | None = None
        self._arrived = asyncio.Event()
        self._is_whole = self._is_broken = False

    def put(self, piece: bytes) -> asyncio.Future[None]:
        """Takes a piece; done once there is room for another."""
        self._piece = piece
        self._arrived.set()
        self._taken = asyncio.get_running_loop().create_future()
        if self._is_broken:
            self._taken.set_result(None)
        return self._taken

    def end(self) -> None:
        """All of it is here."""
        self._is_whole = True
        self._arrived.set()

    def break_off(self) -> None:
        """The rest will not come, or is not read any more."""
        self._is_broken = True
        self._arrived.set()
        self._free()

    def check(self, limit: int | None = None) -> None:
        """Refuses a body that is known to be too large.

        Raises:
            ApiError: 413.
        """
        limit = self._limit if limit is None else min(limit, self._limit)
        if max(self._received, self.size or 0) > limit:
            raise Invalid.request_too_large(limit=limit)

    async def discard(self) -> None:
        """Reads on, up to a bound, so that a client which sends first gets to see its refusal.

        Raises:
            ApiError: 413, there is more than the bound; or as for the pieces.
        """
        self._limit = self._received + DISCARDED_BYTES
        self._free()  # what is refused was not taken
        async for _ in self:
            pass

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The pieces, once.

        Raises:
            ApiError: 413, it is too large; 499, its client sends nothing, or has left.
        """
        while True:
            if not self._arrived.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._seconds):
                        await self._arrived.wait()
                if not self._arrived.is_set():
                    self._client.abort()
                    raise Refusal.client_closed()
            if self._is_broken:
                raise Refusal.client_closed()
            piece, self._piece = self._piece, b""
            if not piece and self._is_whole:
                return
            if not self._is_whole:
                self._arrived.clear()
            self._received += len(piece)
            try:
                self.check()
                yield piece
            finally:
                self._free()  # also if it is not read on, or by another

    def _free(self) -> None:
        if self._taken is not None and not self._taken.done():
            self._taken.set_result(None)


class StreamedRequest(HTTPMessageDelegate):
    """A request whose handler runs while its body comes in.

    Args:
        application: that serves the request.
        request: without its body.
        handler_class: what handles it.
        arguments: of the handler; it gets the body as `body`, too.
        body: of the request.
    """

    def __init__(
        self,
        application: Application,
        request: HTTPServerRequest,
        handler_class: type[BaseHandler],
        arguments: Mapping[str, Any],
        body: StreamedBody,
    ) -> None:
        self._application = application
        self._request = request
        self._handler_class = handler_class
        self._arguments = arguments
        self._body = body
        self._handler: BaseHandler | None = None

    def headers_received(self, start_line: Any, headers: HTTPHeaders) -> None:
        """See `HTTPMessageDelegate`."""
        handler = self._handler_class(
            self._application, self._request, body=self._body, **self._arguments
        )
        self._handler = handler
        start_task("request", self._run(handler))

    def data_received(self, chunk: bytes) -> asyncio.Future[None]:
        """See `HTTPMessageDelegate`."""
        return self._body.put(chunk)

    def finish(self) -> None:
        """See `HTTPMessageDelegate`."""
        self._body.end()

    def on_connection_close(self) -> None:
        """See `HTTPMessageDelegate`."""
        self._body.break_off()
        if self._handler is not None:
            self._handler.on_connection_close()

    async def _run(self, handler: BaseHandler) -> None:
        try:
            await handler.execute(())
        finally:
            self._body.break_off()  # what still comes is of no use


def _is_chunked(headers: HTTPHeaders) -> bool:
    return "Transfer-Encoding" in headers
