"""The echo behind a wire: its responses go through bytes and back, as those of a vendor.

The option `wire` chooses the framing. It shows the router's own way with streams offline, and is an
example of translators with each framing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from tornado_router.provider import (
    Body,
    Call,
    Event,
    Framing,
    JSONLines,
    ServerSentEvents,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
    UpstreamSocket,
    UpstreamStream,
    bad_answer,
    load_json_object,
)

Stream = Callable[[], AsyncGenerator[Sequence[Body], None]]

FRAMINGS: Mapping[str, tuple[type[Framing], bytes, bytes]] = {
    "json_lines": (JSONLines, b"", b"\n"),
    "server_sent_events": (ServerSentEvents, b"data: ", b"\n\n"),
}
"""Each with what stands before and behind an event."""

_END = b'{"done":true}'


class WireTranslator(Translator):
    """Passes OpenAI's bodies through, as one JSON value an event.

    Args:
        provider: name of the provider, for messages.
        framing: one of `FRAMINGS`.
    """

    def __init__(self, provider: str, framing: str) -> None:
        self._provider = provider
        self.framing, _, _ = FRAMINGS[framing]

    def build_request(self, call: Call) -> UpstreamRequest:
        """The call as it is."""
        headers = {"Content-Type": "application/json"}
        body = orjson.dumps({"model": call.model, "call": call.id})
        return UpstreamRequest(f"http://echo.invalid/{call.endpoint}", body, headers)

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The body as it is."""
        return load_json_object(response.body, self._provider)

    def parse_stream(self, call: Call) -> WireParser:
        """Each event is a chunk, but for the last."""
        return WireParser(self._provider)


class WireParser:
    """Reads one stream; the last event is `{"done": true}`."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self.done = False

    def feed(self, event: Event) -> Iterable[Body]:
        """The chunk in an event."""
        chunk = load_json_object(event.data, self._provider)
        self.done = chunk == {"done": True}
        return [] if self.done else [chunk]

    def finish(self) -> Iterable[Body]:
        """Nothing is held back.

        Raises:
            ProviderError: the end is missing.
        """
        if not self.done:
            raise bad_answer(f"The provider '{self._provider}' broke off its stream.")
        return []


@dataclass
class Wire:
    """Stands for the vendor (`HTTPClient`): answers a request with what the echo says.

    Attributes:
        whole: makes the body of a whole response.
        chunks: makes those of a stream.
        framing: one of `FRAMINGS`.
    """

    whole: Callable[[], Any]
    chunks: Stream
    framing: str

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """The whole response."""
        return UpstreamResponse(200, {}, orjson.dumps(await self.whole()))

    @asynccontextmanager
    async def stream(self, request: UpstreamRequest) -> AsyncIterator[UpstreamStream]:
        """The streamed response."""
        async with aclosing(self._pieces()) as pieces:
            yield _WireStream(pieces)

    def connect(
        self, request: UpstreamRequest, protocols: tuple[str, ...] = ()
    ) -> AbstractAsyncContextManager[UpstreamSocket]:
        """There are no websockets."""
        raise NotImplementedError

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        _, before, behind = FRAMINGS[self.framing]
        async with aclosing(self.chunks()) as batches:
            async for batch in batches:
                yield b"".join(before + orjson.dumps(chunk) + behind for chunk in batch)
        yield before + _END + behind


class _WireStream:
    status = 200
    headers: Mapping[str, str] = {}

    def __init__(self, pieces: AsyncGenerator[bytes, None]) -> None:
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self._pieces])
