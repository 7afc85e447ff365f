"""Credentials that expire or sign: fetched once for all calls, and renewed before they expire."""

from __future__ import annotations

import asyncio
import math
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from loguru import logger

from tornado_router.errors import ApiError, ProviderError
from tornado_router.provider.http import (
    HTTPClient,
    Upload,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSocket,
    UpstreamStream,
)
from tornado_router.provider.multipart import Parts

FETCH_SECONDS = 30.0
"""The most that fetching a token may take."""

RENEW_BEFORE = 300.0
"""So many seconds before a token expires it is renewed; of a short-lived one, its last third."""

RETRY_SECONDS = 10.0
"""A token that could not be renewed is tried again after this; so is one that was refused."""

_UNAUTHORIZED = 401
_TRANSIENT = frozenset((408, 425, 429))


class Credentials(ABC):
    """What makes a request the operator's, where a fixed header is not enough."""

    @abstractmethod
    async def headers(self, request: UpstreamRequest, http: HTTPClient) -> Mapping[str, str]:
        """The headers to add to a request.

        Args:
            request: as it will be sent, but for these headers; a signature may cover its method,
                URL, headers and body. Not to be changed.
            http: to fetch a token with; what is sent here gets no credentials added.

        Raises:
            ProviderError: there are none at the moment.
        """

    def refused(self, request: UpstreamRequest) -> bool:
        """Whether a request that the vendor met with 401 is worth sending again.

        It is built anew by `headers`, and sent once more at most.

        Args:
            request: as it was sent, credentials included.
        """
        return False

    def secrets(self) -> Collection[str]:
        """What the vendor may quote of the credentials; the core takes it out of messages."""
        return ()


@dataclass(frozen=True, slots=True)
class Token:
    """A token that expires.

    Attributes:
        value: the secret.
        seconds: how long it is valid from now; None for ever.
    """

    value: str = field(repr=False)
    seconds: float | None = None


@dataclass(slots=True)
class _Held:
    """A token, and when it is to be renewed, by the clock of `TokenCredentials`."""

    value: str = field(repr=False)
    fetched: float
    renewal: float
    expiry: float


class TokenCredentials(Credentials):
    """One header with a token that expires, shared by all calls of a provider.

    The first call fetches it, and those that come meanwhile wait for the same fetch. Before it
    expires one task renews it while calls go on with the old one. Once the vendor refuses it, it is
    fetched anew.

    Args:
        fetch: gets a token; by `http`, or by an SDK: blocking code belongs into a thread, as in
            `lambda http: asyncio.to_thread(sdk.token)`. A failure with a status of 4xx means that
            the vendor refused the operator's credentials.
        header: that carries the token.
        scheme: what stands before the token; may be empty.
        clock: seconds, for tests.
    """

    def __init__(
        self,
        fetch: Callable[[HTTPClient], Awaitable[Token]],
        *,
        header: str = "Authorization",
        scheme: str = "Bearer",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._header = header
        self._prefix = f"{scheme} " if scheme else ""
        self._clock = clock
        self._held: _Held | None = None
        self._lately: tuple[str, ...] = ()
        self._fetching: asyncio.Task[_Held] | None = None

    async def headers(self, request: UpstreamRequest, http: HTTPClient) -> Mapping[str, str]:
        """The header with a token that is valid; waits for one if there is none yet."""
        held, now = self._held, self._clock()
        if held is None or now >= held.expiry:
            # Shielded: a call that is cancelled takes the token from no other.
            try:
                held = await asyncio.shield(self._renew(http))
            except ApiError as error:
                raise _of_one_call(error) from None
        elif now >= held.renewal:
            self._renew(http)
        return {self._header: f"{self._prefix}{held.value}"}

    def refused(self, request: UpstreamRequest) -> bool:
        """Whether another token may do better: not if the one that was refused is new."""
        held = self._held
        if held is None or request.headers.get(self._header) != f"{self._prefix}{held.value}":
            return True  # another call has seen to it meanwhile
        if self._clock() < held.fetched + RETRY_SECONDS:
            return False
        self._held = None
        return True

    def secrets(self) -> Collection[str]:
        """The token, and the one before, which a call that runs may have."""
        return self._lately

    def _renew(self, http: HTTPClient) -> asyncio.Task[_Held]:
        """The task that fetches a token: the one that runs, or a new one."""
        if self._fetching is None:
            loop = asyncio.get_running_loop()
            self._fetching = loop.create_task(self._fetch_held(http), name="credentials")
            self._fetching.add_done_callback(self._fetched)
        return self._fetching

    async def _fetch_held(self, http: HTTPClient) -> _Held:
        async with asyncio.timeout(FETCH_SECONDS):
            token = await self._fetch(http)
        now = self._clock()
        life = math.inf if token.seconds is None else max(0.0, token.seconds)
        return _Held(token.value, now, now + life - min(RENEW_BEFORE, life / 3), now + life)

    def _fetched(self, task: asyncio.Task[_Held]) -> None:
        self._fetching = None
        error = None if task.cancelled() else task.exception()
        if not task.cancelled() and error is None:
            self._held = task.result()
            self._lately = (self._held.value, *self._lately[:1])
        elif self._held is not None:
            self._held.renewal = self._clock() + RETRY_SECONDS
            logger.warning("could not renew a token: {}", type(error).__name__)


class AuthorizedClient:
    """Adds credentials to every request, and sends one once more that the vendor met with 401.

    An `HTTPClient`.

    Args:
        http: what sends.
        credentials: what they add.
    """

    def __init__(self, http: HTTPClient, credentials: Credentials) -> None:
        self._http = http
        self._credentials = credentials

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Sends a request and reads the whole response; raises as `HTTPClient.send`."""
        authorized = await self._authorized(request)
        response = await self._http.send(authorized)
        if response.status == _UNAUTHORIZED and self._may_again(authorized):
            response = await self._http.send(await self._authorized(request))
        return response

    @asynccontextmanager
    async def stream(self, request: UpstreamRequest) -> AsyncIterator[UpstreamStream]:
        """Sends a request; the body is read inside the `async with`."""
        authorized = await self._authorized(request)
        async with self._http.stream(authorized) as response:
            if response.status != _UNAUTHORIZED or not self._may_again(authorized):
                yield response
                return
        async with self._http.stream(await self._authorized(request)) as response:
            yield response

    @asynccontextmanager
    async def connect(
        self, request: UpstreamRequest, protocols: tuple[str, ...] = ()
    ) -> AsyncIterator[UpstreamSocket]:
        """Opens a websocket; it is used inside the `async with`."""
        authorized = await self._authorized(request)
        async with AsyncExitStack() as stack:
            try:
                socket = await stack.enter_async_context(self._http.connect(authorized, protocols))
            except ProviderError as error:
                if error.status != _UNAUTHORIZED or not self._credentials.refused(authorized):
                    raise
                again = self._http.connect(await self._authorized(request), protocols)
                socket = await stack.enter_async_context(again)
            yield socket

    def _may_again(self, request: UpstreamRequest) -> bool:
        """Whether a request that was refused is worth sending again, and can be."""
        return self._credentials.refused(request) and not isinstance(request.body, Upload)

    async def _authorized(self, request: UpstreamRequest) -> UpstreamRequest:
        headers = dict(request.headers)
        if isinstance(request.body, Parts | Upload):  # a signature may cover it
            headers["Content-Type"] = request.body.content_type
        final = UpstreamRequest(request.url, request.body, headers, request.method)
        added = await self._credentials.headers(final, self._http)
        return UpstreamRequest(request.url, request.body, {**headers, **added}, request.method)


def _of_one_call(error: ApiError) -> ProviderError:
    """A failed fetch as an error of one call, of many that waited: each may be changed on its way.

    What was refused are the operator's credentials, not the client's request.
    """
    refused = 400 <= error.status < 500 and error.status not in _TRANSIENT
    return ProviderError(
        _UNAUTHORIZED if refused else error.status,
        error.message,
        type=error.type,
        code=error.code,
        headers=error.headers,
        words=getattr(error, "words", ""),
    )
