"""Sends requests to one vendor by aiohttp, which also goes through proxies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any

import aiohttp
from multidict import CIMultiDict

from tornado_router.background.held_memory import HeldMemory
from tornado_router.calls.upstream import bounds
from tornado_router.calls.upstream.aiohttp_failures import FAILURES, failure
from tornado_router.calls.upstream.aiohttp_internals import Pool, limit_silence, unread
from tornado_router.calls.upstream.body import BodyBounds, BodyCount, read_whole
from tornado_router.calls.upstream.event_hold import EventHold
from tornado_router.calls.upstream.failures import PROXY_REFUSED
from tornado_router.calls.upstream.uploads import form_pieces
from tornado_router.calls.upstream.websocket import WebSocket, WebSocketConnector
from tornado_router.config.options import ProviderOptions
from tornado_router.config.proxy import Proxies
from tornado_router.error_codes import Failure
from tornado_router.provider import Parts, Upload, UpstreamRequest, UpstreamResponse


class AiohttpUpstream:
    """The connections to one provider (`Upstream`), made and closed on the running event loop.

    Args:
        name: of the provider, for messages.
        options: time-outs, and bounds on the pool and on bodies.
        memory: what the bodies of all providers and of all clients hold together.
        environ: may name proxies.

    Attributes:
        pool: the connections.
    """

    def __init__(
        self,
        name: str,
        options: ProviderOptions,
        memory: HeldMemory,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._name = name
        self._options = options
        self._memory = memory
        self._proxies = Proxies(options.proxy, environ or {})
        self._bodies = BodyBounds(name, options, memory)
        self._sockets: WebSocketConnector | None = None
        self._between_bytes = options.between_bytes_timeout
        self.pool = Pool(
            limit=options.max_connections,
            keepalive_timeout=options.keepalive_seconds,
            socket_factory=bounds.bounded_socket,
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
            headers=bounds.HEADERS,
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
                body = await self._read(response)
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
                self._name, self._options, self.pool, self._proxies, bounds.HEADERS
            )
        return self._sockets.connect(request, protocols)

    async def close(self) -> None:
        """Closes every connection."""
        if self._sockets is not None:
            await self._sockets.close()
        await self._session.close()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The rest of a body."""
        try:
            with BodyCount(self._bodies) as count:
                count.begin(response.status, response.content_length)
                body = await read_whole(response.content.readany, count)
                return await count.look_through(body)
        except BaseException:
            response.close()  # so that no more of it arrives
            raise

    async def _open(self, request: UpstreamRequest, **how: Any) -> aiohttp.ClientResponse:
        body: bytes | AsyncIterator[bytes]
        body, headers = request.body, request.headers  # type: ignore[assignment]
        if isinstance(request.body, Parts):
            body, headers = form_pieces(request.body), _body_headers(request)
        elif isinstance(request.body, Upload):
            body, headers = request.body.pieces, _body_headers(request)
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
    """A response that is read as it arrives (`ByteStream`)."""

    _piece_bytes = bounds.PIECE
    status: int
    headers: Mapping[str, str]

    def __init__(self, upstream: AiohttpUpstream, request: UpstreamRequest) -> None:
        self._upstream = upstream
        self._request = request
        self._begun = False
        self._events = EventHold(upstream._memory)
        self.hold = self._events.set

    async def __aenter__(self) -> _Stream:
        try:
            self._response = await self._upstream._open(
                self._request, read_bufsize=bounds.STREAM_BUFFER
            )
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
        self._events.free()
        content = self._response.content
        if kind is None and not content.at_eof():
            with suppress(TimeoutError, aiohttp.ClientError):
                async with asyncio.timeout(bounds.END_SECONDS):
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
            piece = await self._response.content.read(self._piece_bytes)
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

    def widen(self, most: int) -> None:
        """See `ByteStream`."""
        self._piece_bytes = most

    async def read(self) -> bytes:
        """The rest of the body, whole."""
        try:
            return await self._upstream._read(self._response)
        except FAILURES as error:
            raise failure(self._upstream._name, error, self._request.url) from None


def _body_headers(request: UpstreamRequest) -> Mapping[str, str]:
    """The headers of a request whose body comes in pieces; without a length, in chunks."""
    assert not isinstance(request.body, bytes)
    headers = CIMultiDict(request.headers)
    headers["Content-Type"] = request.body.content_type
    if request.body.size is not None:
        headers["Content-Length"] = str(request.body.size)
    return headers
