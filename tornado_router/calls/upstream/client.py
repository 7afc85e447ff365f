"""Sends requests to one vendor: pooled, with time-outs, read no faster than the client reads.

There is one `Upstream` for each configured provider.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

import aiohttp
from multidict import CIMultiDict

from tornado_router import __version__
from tornado_router.background.held_memory import UNCOUNTED, HeldMemory, Hold
from tornado_router.calls.upstream.aiohttp_internals import Pool, limit_silence, unread
from tornado_router.calls.upstream.body import BodyReader
from tornado_router.calls.upstream.failures import FAILURES, PROXY_REFUSED, failure
from tornado_router.calls.upstream.websocket import WebSocket, WebSocketConnector
from tornado_router.config.options import ProviderOptions
from tornado_router.config.proxy import Proxies
from tornado_router.error_codes import Failure, Refusal
from tornado_router.provider import Parts, UpstreamRequest, UpstreamResponse

STREAM_BUFFER = 16 * 1024
"""Of a stream that its client does not read, the HTTP client holds twice this, and one read."""

RECEIVE_BUFFER = 64 * 1024
"""Of the socket: the most that one read brings, whatever the event loop would take."""

PIECE = 4 * 1024
"""The most of a stream that is parsed at once: parsed, it takes some twenty times its size, which
is held while a slow client takes its time. A chunk is a few hundred bytes."""

END_SECONDS = 0.25
"""For this long the end of a stream is awaited behind its last event, to keep the connection."""

_HEADERS = {"User-Agent": f"tornado-router/{__version__}", "Accept-Encoding": "identity"}


class Upstream:
    """The connections to one provider. To be made and closed on the running event loop.

    Args:
        name: of the provider, for messages.
        options: time-outs, and bounds on the pool and on bodies.
        memory: what the bodies of all providers and of all clients hold together.

    Attributes:
        pool: the connections.
    """

    def __init__(self, name: str, options: ProviderOptions, memory: HeldMemory) -> None:
        self._name = name
        self._options = options
        self._memory = memory
        self._proxies = Proxies(options.proxy, os.environ)
        self._bodies = BodyReader(name, options, memory)
        self._sockets: WebSocketConnector | None = None
        self._between_bytes = options.between_bytes_timeout
        self.pool = Pool(
            limit=options.max_connections,
            keepalive_timeout=options.keepalive_seconds,
            socket_factory=_socket,
        )
        self._session = aiohttp.ClientSession(
            connector=self.pool,
            timeout=aiohttp.ClientTimeout(
                total=options.total_timeout,
                connect=options.connect_timeout,
                sock_connect=options.connect_timeout,
                sock_read=options.first_byte_timeout,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=_HEADERS,
        )

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Sends a request and reads the whole response.

        Raises:
            ProviderError: no whole response came: 502, or 504 after a time-out.
            ApiError: 503, the bodies that this process holds leave no room for it.
        """
        try:
            async with await self._open(request) as response:
                limit_silence(response, self._between_bytes)
                body = await self._bodies.read(response)
        except FAILURES as error:
            raise failure(self._name, error, request.url) from None
        return UpstreamResponse(response.status, response.headers, body)

    def stream(self, request: UpstreamRequest) -> _Stream:
        """Sends a request; the response is read inside `async with`. Raises as `send`."""
        return _Stream(self, request)

    def connect(self, request: UpstreamRequest, protocols: tuple[str, ...] = ()) -> WebSocket:
        """Opens a websocket, which is used inside `async with`; see `HTTPClient.connect`."""
        if self._sockets is None:
            self._sockets = WebSocketConnector(
                self._name, self._options, self.pool, self._proxies, _HEADERS
            )
        return self._sockets.connect(request, protocols)

    async def close(self) -> None:
        """Closes every connection."""
        if self._sockets is not None:
            await self._sockets.close()
        await self._session.close()

    async def _open(self, request: UpstreamRequest, **how: Any) -> aiohttp.ClientResponse:
        body: bytes | AsyncIterator[bytes]
        body, headers = request.body, request.headers  # type: ignore[assignment]
        if isinstance(request.body, Parts):
            body, headers = _pieces(request.body), _form_headers(request)
        response = await self._session.request(
            request.method,
            request.url,
            data=body,
            headers=headers,
            # A redirect would carry the provider's key to a host that is not configured.
            allow_redirects=False,
            proxy=self._proxies.find(request.url) if self._proxies else None,
            **how,
        )
        if response.status == PROXY_REFUSED:
            response.close()
            raise Failure.proxy_refused(provider=self._name, status=PROXY_REFUSED)
        return response


class _Stream:
    """An response that is read as it arrives (`UpstreamStream`)."""

    status: int
    headers: Mapping[str, str]

    def __init__(self, upstream: Upstream, request: UpstreamRequest) -> None:
        self._upstream = upstream
        self._request = request
        self._begun = False
        self._hold: Hold | None = None
        self._held = 0

    async def __aenter__(self) -> _Stream:
        try:
            self._response = await self._upstream._open(self._request, read_bufsize=STREAM_BUFFER)
        except FAILURES as error:
            raise failure(self._upstream._name, error, self._request.url) from None
        self.status = self._response.status
        self.headers = self._response.headers
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._free()
        content = self._response.content
        if kind is None and not content.at_eof():
            with suppress(TimeoutError, aiohttp.ClientError):
                async with asyncio.timeout(END_SECONDS):
                    await content.readany()
        # Keeps the connection if the response was read to its end, and cuts it if not: that is how
        # a vendor learns that the client has left.
        if content.at_eof():
            self._response.release()
        else:
            self._response.close()

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._response.content.read(PIECE)
        except FAILURES as error:
            piece = unread(self._response)  # a slow client may be behind, and all may be there
            if not piece:
                raise failure(self._upstream._name, error, self._request.url) from None
        if not piece:
            raise StopAsyncIteration
        if not self._begun:
            self._begun = True
            limit_silence(self._response, self._upstream._between_bytes)
        return piece

    async def read(self) -> bytes:
        """The rest of the body, whole."""
        try:
            return await self._upstream._bodies.read(self._response)
        except FAILURES as error:
            raise failure(self._upstream._name, error, self._request.url) from None

    def hold(self, size: int) -> None:
        """Counts what is held of an event whose end has not come yet.

        Args:
            size: in bytes; 0 once the event is complete.

        Raises:
            ApiError: 503, the bodies that this process holds leave no room for it.
        """
        if size <= UNCOUNTED:
            self._free()
            return
        if self._hold is None:
            self._hold = Hold(self._upstream._memory)
        if not self._hold.grow(size - self._held):
            raise Refusal.overloaded()
        self._held = size

    def _free(self) -> None:
        if self._hold is not None:
            self._hold.free()
            self._hold, self._held = None, 0


async def _pieces(parts: Parts) -> AsyncIterator[bytes]:
    """A form as it is sent. A file on disk is read by another thread."""
    pieces = parts.pieces()
    if not parts.on_disk:
        for piece in pieces:
            yield piece
        return
    while (read := await asyncio.to_thread(next, pieces, None)) is not None:
        yield read


def _form_headers(request: UpstreamRequest) -> Mapping[str, str]:
    assert isinstance(request.body, Parts)
    headers = CIMultiDict(request.headers)
    headers["Content-Type"] = request.body.content_type
    headers["Content-Length"] = str(request.body.size)
    return headers


def _socket(address: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, *_ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return made
