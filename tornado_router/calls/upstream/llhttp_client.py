"""Sends requests to one vendor over HTTP/1.1 connections of the router's own, parsed by llhttp.

It knows no proxies, and has aiohttp open websockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING

from tornado_router.background.held_memory import HeldMemory
from tornado_router.calls.upstream import bounds
from tornado_router.calls.upstream.body import BodyBounds, BodyCount
from tornado_router.calls.upstream.connection import Connection, Silence
from tornado_router.calls.upstream.event_hold import EventHold
from tornado_router.calls.upstream.exchange import Exchange
from tornado_router.calls.upstream.failures import (
    FAILURES,
    PROXY_REFUSED,
    ConnectTimeoutError,
    failure,
)
from tornado_router.calls.upstream.pool import Pool
from tornado_router.calls.upstream.request_head import Heads, Origin
from tornado_router.calls.upstream.response_headers import ResponseHeaders
from tornado_router.calls.upstream.uploads import chunks_of, form_pieces
from tornado_router.config.options import ProviderOptions
from tornado_router.config.proxy import Proxies
from tornado_router.error_codes import Failure
from tornado_router.provider import (
    Parts,
    Upload,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSocket,
)

if TYPE_CHECKING:
    from tornado_router.calls.upstream.websocket import WebSocketConnector


class LlhttpUpstream:
    """The connections to one provider (`Upstream`), made and closed on the running event loop.

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
        self._bodies = BodyBounds(name, options, memory)
        self._heads = Heads()
        self._loop = asyncio.get_running_loop()
        self._sockets: WebSocketConnector | None = None
        silence = Silence(
            options.first_byte_timeout, options.between_bytes_timeout, options.keepalive_seconds
        )
        self.pool = Pool(options.max_connections, silence)

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Sends a request and reads the whole response.

        Raises:
            ProviderError: no whole response came: 502, or 504 after a time-out.
            ApiError: 503, the bodies that this process holds leave no room for it.
        """
        exchange = None
        try:
            with BodyCount(self._bodies) as count:
                exchange = await self._begin(request, count)
                body = await count.look_through(await exchange.whole(count))
        except FAILURES as error:
            raise failure(self._name, error, request.url) from None
        finally:
            if exchange is not None:
                exchange.abandon()
        return UpstreamResponse(exchange.status, ResponseHeaders(exchange.headers), body)

    def stream(self, request: UpstreamRequest) -> _Stream:
        """Sends a request; the response is read inside `async with`. Raises as `send`."""
        return _Stream(self, request)

    @asynccontextmanager
    async def connect(
        self, request: UpstreamRequest, protocols: tuple[str, ...] = ()
    ) -> AsyncIterator[UpstreamSocket]:
        """Opens a websocket, which is used inside `async with`; see `HTTPClient.connect`."""
        if self._sockets is None:
            # aiohttp is loaded only where it is needed, as it takes 11 MB.
            from tornado_router.calls.upstream.websocket import WebSocketConnector  # noqa: PLC0415

            self._sockets = WebSocketConnector(
                self._name, self._options, None, Proxies("none", {}), bounds.HEADERS
            )
        async with self.pool.place(), self._sockets.connect(request, protocols) as socket:
            yield socket

    async def close(self) -> None:
        """Closes every connection."""
        if self._sockets is not None:
            await self._sockets.close()
        await self.pool.close()

    async def _begin(self, request: UpstreamRequest, count: BodyCount | None) -> Exchange:
        """Sends a request, and waits for the response to begin, or to end if it is wanted whole."""
        head, body = self._heads.find(request), request.body
        lines = head.ended(len(body) if isinstance(body, bytes) else body.size)
        until = self._loop.time() + self._options.total_timeout
        once = isinstance(body, Upload)  # so not by a connection that may be closed by now
        connection = None if once else self.pool.take(head.origin)
        again = False
        while True:
            if connection is None:
                connection = await self._connect(head.origin, until, instead=again, fresh=once)
            exchange = Exchange(self._loop, count, has_body=request.method.upper() != "HEAD")
            try:
                if isinstance(body, bytes):
                    connection.send(exchange, lines, body, until)
                else:
                    connection.send(exchange, lines, None, until)
                    made = form_pieces(body) if isinstance(body, Parts) else chunks_of(body)
                    async with aclosing(made) as pieces:
                        await connection.upload(exchange, pieces)
                await exchange.begun()
            except BaseException as error:
                exchange.abandon()
                if not exchange.refused:
                    raise
                if not isinstance(error, FAILURES):
                    self.pool.give_place()
                    raise
                # It was closed just when it was used: the vendor has not taken the request.
                connection, again = None, True
            else:
                break
        if exchange.status == PROXY_REFUSED:
            exchange.abandon()
            raise Failure.proxy_refused(provider=self._name, status=PROXY_REFUSED)
        return exchange

    async def _connect(
        self, origin: Origin, until: float, *, instead: bool, fresh: bool = False
    ) -> Connection:
        get = self.pool.replace if instead else self.pool.get_new if fresh else self.pool.get
        seconds = min(self._options.connect_timeout, until - self._loop.time())
        try:
            async with asyncio.timeout(seconds):
                return await get(origin)
        except TimeoutError:
            raise ConnectTimeoutError from None


class _Stream:
    """A response that is read as it arrives (`ByteStream`)."""

    __slots__ = (
        "_events",
        "_exchange",
        "_piece_bytes",
        "_request",
        "_upstream",
        "_url",
        "_widened",
        "headers",
        "hold",
        "status",
    )

    status: int
    headers: Mapping[str, str]

    def __init__(self, upstream: LlhttpUpstream, request: UpstreamRequest) -> None:
        self._piece_bytes = bounds.PIECE
        self._widened: Connection | None = None
        self._upstream = upstream
        self._request: UpstreamRequest | None = request
        self._url = request.url
        self._events = EventHold(upstream._memory)
        self.hold = self._events.set

    async def __aenter__(self) -> _Stream:
        request, self._request = self._request, None  # a stream lasts longer than its request
        assert request is not None, "it is opened once"
        try:
            exchange = await self._upstream._begin(request, None)
        except FAILURES as error:
            raise failure(self._upstream._name, error, self._url) from None
        self._exchange = exchange
        self.status = exchange.status
        self.headers = ResponseHeaders(exchange.headers)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._events.free()
        exchange = self._exchange
        if self._widened is not None:
            self._widened.bound(bounds.RECEIVE_BUFFER)
        try:
            if kind is None and exchange.connection is not None:
                await exchange.end_within(bounds.END_SECONDS)
        finally:
            # It is kept if the response was read to its end, and cut if not: that is how a vendor
            # learns that the client has left.
            exchange.abandon()

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> bytes:
        try:
            piece = await self._exchange.read(self._piece_bytes)
        except FAILURES as error:
            raise failure(self._upstream._name, error, self._url) from None
        if not piece:
            raise StopAsyncIteration
        return piece

    def widen(self, most: int) -> None:
        """See `ByteStream`."""
        self._piece_bytes = most
        self._exchange.room = most // 4
        self._widened = self._exchange.connection
        if self._widened is not None:
            self._widened.bound(2 * most)

    def offer(self, take: Callable[[bytes], bool]) -> None:
        """See `ByteStream`."""
        self._exchange.offer(take)

    async def read(self) -> bytes:
        """The rest of the body, whole."""
        try:
            with BodyCount(self._upstream._bodies) as count:
                return await count.look_through(await self._exchange.whole(count))
        except FAILURES as error:
            raise failure(self._upstream._name, error, self._url) from None
        finally:
            self._exchange.abandon()
