"""Recorded responses in place of a network: for calls, and for the tokens they need."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from tornado_router.provider import (
    Credentials,
    HTTPClient,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSocket,
    UpstreamStream,
)

_PIECE = 1024


class HttpUsedError(AssertionError):
    """A provider without recorded responses tried to reach a vendor."""

    def __init__(self) -> None:
        super().__init__(
            "the provider sends an HTTP request, but there is no recorded response to it: "
            "put the vendor's response into the `recordings` folder"
        )


class NoTokenError(AssertionError):
    """The credentials of a provider asked for a token, and none is recorded."""

    def __init__(self) -> None:
        super().__init__(
            "the provider's credentials send a request, but there is no recorded response to it: "
            "put the issuer's response into `recordings/credentials/NAME.http`, where NAME is a "
            "part of the URL"
        )


@dataclass
class ReplayStream:
    """A recorded response that is read as it arrives (`UpstreamStream`)."""

    status: int
    headers: Mapping[str, str]
    pieces: Sequence[bytes]

    def __post_init__(self) -> None:
        self._left = iter(self.pieces)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._left:
            yield piece

    async def read(self) -> bytes:
        """The rest of the body, whole."""
        return b"".join(self._left)


@dataclass
class ReplayClient:
    """Responds to every request with one recording (`HTTPClient`).

    Attributes:
        response: the recording; None refuses to be used.
        pieces: what a stream's bytes come in; None for the pieces of a usual network.
        requests: what was sent.
        open_streams: how many streams were opened and not closed.
    """

    response: UpstreamResponse | None
    pieces: Sequence[bytes] | None = None
    requests: list[UpstreamRequest] = field(default_factory=list)
    open_streams: int = 0

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """The whole response."""
        return self._take(request)

    @asynccontextmanager
    async def stream(self, request: UpstreamRequest) -> AsyncIterator[UpstreamStream]:
        """The response in pieces."""
        response = self._take(request)
        pieces = self.pieces
        if pieces is None:
            pieces = cut(response.body, range(_PIECE, len(response.body), _PIECE))
        self.open_streams += 1
        try:
            yield ReplayStream(response.status, response.headers, pieces)
        finally:
            self.open_streams -= 1

    def connect(
        self, request: UpstreamRequest, protocols: tuple[str, ...] = ()
    ) -> AbstractAsyncContextManager[UpstreamSocket]:
        """No recording holds a websocket."""
        raise HttpUsedError

    def _take(self, request: UpstreamRequest) -> UpstreamResponse:
        self.requests.append(request)
        if self.response is None:
            raise HttpUsedError
        return self.response


class Issuer(ReplayClient):
    """Responds to requests for tokens with what is recorded (`HTTPClient`).

    Args:
        tokens: the responses, by a part of the URL.

    Attributes:
        failure: a response that takes the place of all; None for the recorded ones.
    """

    def __init__(self, tokens: Mapping[str, UpstreamResponse]) -> None:
        super().__init__(None)
        self._tokens = tokens
        self.failure: UpstreamResponse | None = None

    def _take(self, request: UpstreamRequest) -> UpstreamResponse:
        self.requests.append(request)
        if self.failure is not None:
            return self.failure
        named = [token for name, token in self._tokens.items() if name in request.url]
        if not named and len(self._tokens) != 1:
            raise NoTokenError
        return named[0] if named else next(iter(self._tokens.values()))


class IssuedCredentials(Credentials):
    """Credentials whose tokens come from an issuer of their own, not from the vendor's recordings.

    Args:
        credentials: the provider's.
        issuer: where they get tokens.
    """

    def __init__(self, credentials: Credentials, issuer: Issuer) -> None:
        self._credentials = credentials
        self._issuer = issuer

    async def headers(self, request: UpstreamRequest, http: HTTPClient) -> Mapping[str, str]:
        """The provider's headers."""
        return await self._credentials.headers(request, self._issuer)

    def refused(self, request: UpstreamRequest) -> bool:
        """What the provider's credentials make of a refusal."""
        return self._credentials.refused(request)


def cut(data: bytes, positions: Iterable[int]) -> list[bytes]:
    """Data in pieces that end at some positions; none is empty."""
    pieces, start = [], 0
    for position in (*positions, len(data)):
        if position > start:
            pieces.append(data[start:position])
            start = position
    return pieces


def lines(data: bytes) -> list[bytes]:
    """Data in lines, each with its end; server-sent events and JSON lines alike."""
    return [line + b"\n" for line in data.split(b"\n")[:-1]] + (
        [data[data.rfind(b"\n") + 1 :]] if not data.endswith(b"\n") else []
    )
