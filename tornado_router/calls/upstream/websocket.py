"""Websockets to one vendor: messages both ways, read no faster than they are fetched."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from types import TracebackType

import aiohttp

from tornado_router.calls.upstream.aiohttp_failures import FAILURES, failure
from tornado_router.calls.upstream.aiohttp_internals import handshake_headers
from tornado_router.calls.upstream.failures import PROXY_REFUSED
from tornado_router.calls.upstream.within import within
from tornado_router.config.options import ProviderOptions
from tornado_router.config.proxy import Proxies
from tornado_router.error_codes import Failure
from tornado_router.errors import ProviderError, bad_answer
from tornado_router.framing import MAX_EVENT_BYTES
from tornado_router.provider import UpstreamRequest
from tornado_router.provider.http import is_retryable

CLOSE_SECONDS = 1.0
"""For this long the vendor's part of the closing handshake is awaited."""

NO_CODE = 1005
"""The code of a close frame without one (RFC 6455 section 7.4.1)."""

BROKEN = 1006
"""The code of a connection that ended without a close frame."""

_IN_ORDER = frozenset((1000, 1001, NO_CODE))


class WebSocketConnector:
    """Opens websockets over the connections of a pool.

    Args:
        name: of the provider, for messages.
        options: time-outs. `between_bytes_timeout` limits how long the vendor may be silent before
            it is pinged, and then how long its pong may take.
        pool: the connections; None for those of its own, without a limit.
        proxies: that they go through.
        headers: of every handshake.
    """

    def __init__(
        self,
        name: str,
        options: ProviderOptions,
        pool: aiohttp.BaseConnector | None,
        proxies: Proxies,
        headers: Mapping[str, str],
    ) -> None:
        self._name = name
        self._silence = options.between_bytes_timeout
        self._proxies = proxies
        self._session = aiohttp.ClientSession(
            connector=pool or aiohttp.TCPConnector(limit=0),
            connector_owner=pool is None,
            timeout=aiohttp.ClientTimeout(
                total=None,  # a session may last for hours
                connect=options.connect_timeout,
                sock_connect=options.connect_timeout,
                sock_read=options.first_byte_timeout,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=headers,
            middlewares=(_refuse_redirects,),
        )

    def connect(self, request: UpstreamRequest, protocols: tuple[str, ...] = ()) -> WebSocket:
        """A websocket that is opened by `async with`; see `HTTPClient.connect`."""
        proxy = self._proxies.find(request.url)
        return WebSocket(self._name, self._session, self._silence, request, protocols, proxy=proxy)

    async def close(self) -> None:
        """Ends the session; a pool that it was given stays open."""
        await self._session.close()


class WebSocket:
    """One websocket (`UpstreamSocket`), opened by `async with` and closed at its end."""

    headers: Mapping[str, str]
    protocol: str | None

    def __init__(
        self,
        name: str,
        session: aiohttp.ClientSession,
        silence: float,
        request: UpstreamRequest,
        protocols: tuple[str, ...],
        *,
        proxy: str | None,
    ) -> None:
        self._name = name
        self._session = session
        self._silence = silence
        self._request = request
        self._protocols = protocols
        self._proxy = proxy
        self._closed_by_us = False
        self.close_code: int | None = None
        self.close_reason = ""

    async def __aenter__(self) -> WebSocket:
        try:
            self._socket = await self._session.ws_connect(
                self._request.url,
                headers=self._request.headers,
                protocols=self._protocols,
                proxy=self._proxy,
                timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                autoping=False,  # pongs are looked at here, to know that the vendor is alive
                max_msg_size=MAX_EVENT_BYTES,
            )
        except aiohttp.WSServerHandshakeError as error:
            raise self._refusal(error) from None
        except FAILURES as error:
            raise failure(self._name, error, self._request.url) from None
        self.headers = handshake_headers(self._socket)
        self.protocol = self._socket.protocol
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # 1001: what used the connection failed or was cancelled, so that its work is not done.
        await self.close(1000 if kind is None else 1001)

    async def send(self, message: str | bytes) -> None:
        """Sends a message; see `UpstreamSocket`."""
        try:
            send = self._socket.send_str if isinstance(message, str) else self._socket.send_bytes
            await within(self._silence, send(message))  # type: ignore[arg-type]  # of its kind
        except FAILURES as error:
            raise failure(self._name, error, self._request.url) from None

    async def receive(self) -> str | bytes | None:
        """The next message, or None; see `UpstreamSocket`."""
        pinged = False
        while self.close_code is None:
            try:
                message = await within(self._silence, self._socket.receive())
            except TimeoutError as error:
                if pinged:
                    self.close_code = BROKEN
                    raise failure(self._name, error, self._request.url) from None
                pinged = True
                await self.ping()
                continue
            match message.type:
                case aiohttp.WSMsgType.TEXT | aiohttp.WSMsgType.BINARY:
                    data: str | bytes = message.data
                    return data
                case aiohttp.WSMsgType.PING:
                    await self._pong(message.data)
                case aiohttp.WSMsgType.PONG:
                    pass
                case aiohttp.WSMsgType.CLOSE:
                    self.close_code = message.data or NO_CODE
                    self.close_reason = message.extra or ""
                case aiohttp.WSMsgType.ERROR:
                    self.close_code = getattr(message.data, "code", BROKEN)
                    raise bad_answer(f"The provider '{self._name}' broke the websocket protocol.")
                case _:
                    self.close_code = BROKEN
            pinged = False
        self._check_end()
        return None

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        while (message := await self.receive()) is not None:
            yield message

    async def ping(self) -> None:
        """Sends a ping."""
        try:
            await self._socket.ping()
        except FAILURES as error:
            raise failure(self._name, error, self._request.url) from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes the connection, and waits a moment for the vendor to do the same."""
        self._closed_by_us = True
        await self._socket.close(code=code, message=reason.encode()[:123])

    async def _pong(self, data: bytes) -> None:
        try:
            await self._socket.pong(data)
        except FAILURES as error:
            raise failure(self._name, error, self._request.url) from None

    def _check_end(self) -> None:
        """Raises an error unless the connection was closed in order."""
        if self.close_code in _IN_ORDER or self._closed_by_us:
            return
        if self.close_code == BROKEN:
            raise Failure.connection_broken(provider=self._name)
        raise Failure.connection_closed(provider=self._name, code=self.close_code)

    def _refusal(self, error: aiohttp.WSServerHandshakeError) -> ProviderError:
        if error.status == PROXY_REFUSED:
            return Failure.proxy_refused(provider=self._name, status=error.status)
        if error.status < 300:
            return bad_answer(f"The provider '{self._name}' did not open a websocket.")
        retry_after = error.headers.get("Retry-After") if error.headers else None
        return ProviderError(
            error.status,
            f"The provider '{self._name}' refused a websocket with status {error.status}.",
            retryable=is_retryable(error.status),
            headers={"Retry-After": retry_after} if retry_after else None,
        )


async def _refuse_redirects(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """A redirect would carry the provider's key to a host that is not configured."""
    response = await handler(request)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.WSServerHandshakeError(
            response.request_info,
            response.history,
            status=response.status,
            headers=response.headers,
        )
    return response
