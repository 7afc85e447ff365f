"""Requests, responses and connections to the vendor; the core sends, receives and times them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from tornado_router.provider.multipart import Parts


@dataclass(slots=True)
class Upload:
    """A body that goes to the vendor as its client sends it: once, and in pieces.

    Attributes:
        content_type: of the body.
        size: in bytes; None if that is not known, and then it is sent in chunks.
        pieces: of the body; one is asked for once the vendor has taken those before.
    """

    content_type: str
    size: int | None
    pieces: AsyncIterator[bytes] = field(repr=False)


@dataclass(slots=True)
class UpstreamRequest:
    """An HTTP request to the vendor; the core sends it.

    The URL, the headers and the body are sent as they are, so a signature over them holds. The core
    adds `Host`, `Content-Length`, `User-Agent` and `Accept-Encoding`, and `Content-Type` of a form
    and of an upload.
    """

    url: str
    body: bytes | Parts | Upload = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)  # among them the provider's key
    method: str = "POST"


@dataclass(slots=True)
class UpstreamResponse:
    """The vendor's whole response. `headers` is looked up whatever the case of a name."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


class UpstreamStream(Protocol):
    """A response whose body is read as it arrives.

    That of the core has a method `hold(size)`, too, which `Provider.stream` calls: it counts the
    bytes of an event whose end has not come yet, and raises an `ApiError` if there is no room; a
    method `widen(most)`, which has pieces be larger where they are not read; and, if it can, a
    method `offer(take)`: a piece for which is waited goes to `take` first, as soon as it is here,
    and is not iterated over if that returns true.
    """

    status: int
    headers: Mapping[str, str]

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def read(self) -> bytes:
        """The rest of the body, whole."""
        ...


class UpstreamSocket(Protocol):
    """A websocket to the vendor: messages in both directions until one side closes it.

    Texts are `str`, binary messages `bytes`. The core responds to pings, and pings a vendor that is
    silent for long, so that a dead connection does not look like a quiet one.

    Attributes:
        headers: of the response to the handshake.
        protocol: the subprotocol that the vendor chose, or None.
        close_code: with which the vendor closed it; None while it is open.
        close_reason: the vendor's words on that; empty if there are none.
    """

    headers: Mapping[str, str]
    protocol: str | None
    close_code: int | None
    close_reason: str

    async def send(self, message: str | bytes) -> None:
        """Sends a message; waits while the vendor does not read.

        Raises:
            ProviderError: the connection is closed, or the vendor took too long.
        """
        ...

    async def receive(self) -> str | bytes | None:
        """The next message; None once the vendor has closed the connection in order.

        A message that is not fetched is not read from the network, so a client that does not keep
        up slows the vendor down.

        Raises:
            ProviderError: the connection broke, or the vendor closed it with a code that reports a
                failure; `close_code` and `close_reason` are set.
        """
        ...

    def __aiter__(self) -> AsyncIterator[str | bytes]:
        """The messages until the vendor closes the connection; raises as `receive`."""
        ...

    async def ping(self) -> None:
        """Sends a ping."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Closes the connection. What leaves the `async with` closes it, too."""
        ...


class HTTPClient(Protocol):
    """The core's side of the upstream connection: pooled, timed out and cancelled by the core."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Sends a request and reads the whole response.

        Raises:
            ProviderError: no response came, or one that is too large: 502, or 504 after a time-out.
            ApiError: 503, there is no room for it.
        """
        ...

    def stream(self, request: UpstreamRequest) -> AbstractAsyncContextManager[UpstreamStream]:
        """Sends a request; the body is read inside the `async with`. Raises as `send`."""
        ...

    def connect(
        self, request: UpstreamRequest, protocols: tuple[str, ...] = ()
    ) -> AbstractAsyncContextManager[UpstreamSocket]:
        """Opens a websocket; it is used inside the `async with`, and closed at its end.

        Args:
            request: its URL (`wss:` or `https:`) and headers; method and body are not used.
            protocols: the subprotocols that are offered, the preferred first.

        Raises:
            ProviderError: there is no connection, or the vendor refused it with a status.
        """
        ...


_ELSEWHERE = frozenset((401, 402, 403, 404, 408, 409, 410, 423, 424, 425, 429, 451, 498, 499))
"""Of 4xx, those that say nothing against the request. 498 is Groq's "flex tier capacity exceeded"
(https://console.groq.com/docs/errors), 499 Google's "cancelled"."""


def is_retryable(status: int) -> bool:
    """Whether another target may do better than one that responded with this status."""
    return not 400 <= status < 500 or status in _ELSEWHERE
