"""Plays calls on a provider as the core does, with recorded responses in place of a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from tornado_router.provider import (
    Binary,
    Body,
    Call,
    CallFile,
    Parts,
    Provider,
    Relayed,
    Unsupported,
    Upload,
    UpstreamRequest,
    UpstreamResponse,
)
from tornado_router.testing.forms import form_parts, is_form
from tornado_router.testing.replay_client import IssuedCredentials, Issuer, ReplayClient, lines

T = TypeVar("T")

CLIENT_MODEL = "the-clients-alias"
"""What the client asks for in calls of the kit's own; the target's name is another."""


class _Sent(BaseException):  # not an Exception, so that no provider takes it for a failure
    """Ends a call once its request is known."""


class _CapturingClient(ReplayClient):
    """Takes a request and ends the call."""

    def _take(self, request: UpstreamRequest) -> UpstreamResponse:
        self.requests.append(request)
        raise _Sent


@dataclass
class StreamOutcome:
    """The outcome of a streamed call.

    Attributes:
        chunks: in OpenAI's format.
        error: the exception that ended it, if it did not end well.
    """

    chunks: list[Mapping[str, Any]] = field(default_factory=list)
    error: Exception | None = None


class Player:
    """Plays calls on one provider.

    Args:
        provider: the one under test.
        runner: of the event loop.
        in_process: whether it responds without a vendor, so that it builds no requests.
        tokens: responses of token issuers, by name.

    Attributes:
        issuer: where the provider's credentials get their tokens.
    """

    def __init__(
        self,
        provider: Provider,
        runner: asyncio.Runner,
        in_process: bool,
        tokens: Mapping[str, UpstreamResponse] | None = None,
    ) -> None:
        self.provider = provider
        self.issuer = Issuer(tokens or {})
        if provider.credentials is not None:
            provider.credentials = IssuedCredentials(provider.credentials, self.issuer)
        self.in_process = in_process
        self._loop = runner.get_loop()

    def run(self, awaited: Coroutine[Any, Any, T]) -> T:
        """Runs something on the event loop of the calls.

        A kit does this thousands of times: each time, the runner itself would set a signal handler.
        """
        return self._loop.run_until_complete(awaited)

    def request(self, call: Call) -> UpstreamRequest | None:
        """What the provider sends for a call; None in process, where the call is served.

        Raises:
            ApiError: the provider refuses the call.
        """
        translator = self.provider.endpoints.get(call.endpoint)
        if translator is not None and type(self.provider).send is Provider.send:
            return translator.build_request(call)
        client = ReplayClient(None) if self.in_process else _CapturingClient(None)
        try:
            if call.stream:
                outcome = self.stream(call, client=client)
                if outcome.error:
                    raise outcome.error
            else:
                self.run(self.provider.send(call, client))
        except _Sent:
            return client.requests[-1]
        return None

    def send(self, call: Call, response: UpstreamResponse | None) -> Body:
        """A whole response, just as the provider gives it; raises what it raises."""
        return self.run(self.provider.send(call, ReplayClient(response)))

    def whole(self, call: Call, response: UpstreamResponse | None) -> Mapping[str, Any]:
        """A whole response.

        Raises:
            Exception: the one that the provider raises.
        """
        return plain(self.send(call, response))

    def stream(
        self,
        call: Call,
        response: UpstreamResponse | None = None,
        pieces: Sequence[bytes] | None = None,
        client: ReplayClient | None = None,
    ) -> StreamOutcome:
        """A streamed response, with the error that ended it, if any."""
        return self.run(
            self._stream(call, client if client is not None else ReplayClient(response, pieces))
        )

    def batches(
        self, call: Call, response: UpstreamResponse, pieces: Sequence[bytes]
    ) -> list[Body]:
        """The chunks of a stream, just as the provider gives them; raises what it raises."""
        return self.run(self._batches(call, ReplayClient(response, pieces)))

    def failure(self, call: Call, response: UpstreamResponse | None) -> Exception | None:
        """What a call fails with; None if it goes well."""
        if call.stream:
            return self.stream(call, response).error
        try:
            self.whole(call, response)
        except Exception as error:  # noqa: BLE001 - which it is, is what the rules are about
            return error
        return None

    def interleaved(
        self, calls: Sequence[tuple[Call, UpstreamResponse | None, Sequence[bytes] | None]]
    ) -> list[StreamOutcome]:
        """Several streams at once, a batch of each in turn."""
        return self.run(self._interleaved(calls))

    def abandoned(self, call: Call, response: UpstreamResponse | None) -> ReplayClient:
        """The client of a stream that was given up behind its first chunk."""
        client = ReplayClient(response, lines(response.body) if response else None)
        self.run(self._abandoned(call, client))
        return client

    async def _batches(self, call: Call, client: ReplayClient) -> list[Body]:
        async with aclosing(self.provider.stream(call, client)) as batches:
            return [chunk async for batch in batches for chunk in batch]

    async def _stream(self, call: Call, client: ReplayClient) -> StreamOutcome:
        outcome = StreamOutcome()
        try:
            async with aclosing(self.provider.stream(call, client)) as batches:
                async for batch in batches:
                    outcome.chunks += map(plain, batch)
        except Exception as error:  # noqa: BLE001 - which it is, is what the rules are about
            outcome.error = error
        return outcome

    async def _interleaved(
        self, calls: Sequence[tuple[Call, UpstreamResponse | None, Sequence[bytes] | None]]
    ) -> list[StreamOutcome]:
        outcomes = [StreamOutcome() for _ in calls]
        running: dict[int, AsyncGenerator[Sequence[Body], None]] = {
            index: self.provider.stream(call, ReplayClient(response, pieces))
            for index, (call, response, pieces) in enumerate(calls)
        }
        while running:
            for index, stream in list(running.items()):
                try:
                    outcomes[index].chunks += map(plain, await anext(stream))
                except StopAsyncIteration:
                    del running[index]
                except Exception as error:  # noqa: BLE001 - the rule looks at it
                    outcomes[index].error = error
                    del running[index]
        return outcomes

    async def _abandoned(self, call: Call, client: ReplayClient) -> None:
        async with aclosing(self.provider.stream(call, client)) as batches:
            async for _ in batches:
                break


def make_call(
    endpoint: str,
    body: Mapping[str, Any],
    *,
    model: str | None = None,
    stream: bool = False,
    unsupported: Unsupported = "reject",
    memory: Mapping[str, Any] | None = None,
    files: Sequence[tuple[str, bytes]] = (),
) -> Call:
    """A call, as the core makes it of a client's body.

    Args:
        endpoint: such as `chat.completions`.
        body: what the client sends; without `stream`.
        model: the vendor's own name of the model; that in the body if None.
        stream: whether the client wants chunks.
        unsupported: what becomes of a parameter that the vendor has no equivalent for.
        memory: what was kept for the tool calls in the body.
        files: what the client uploads: names and bytes.
    """
    if stream:
        body = {**body, "stream": True}
    raw, parts = _dump(body), []
    if is_form(endpoint, body, files):
        parts = list(form_parts(endpoint, body, files))
    return Call(
        id="0123456789abcdef",
        endpoint=endpoint,
        model=model or body["model"],
        body=orjson.loads(raw),
        raw=b"" if parts else raw,
        stream=stream,
        unsupported=unsupported,
        memory=memory or {},
        files=[part.value for part in parts if isinstance(part.value, CallFile)],
        parts=parts,
    )


def sent_body(request: UpstreamRequest) -> bytes:
    """The bytes of a request's body; of a form, what is sent of it."""
    assert not isinstance(request.body, Upload), "no call is passed on as it is"
    return b"".join(request.body.pieces()) if isinstance(request.body, Parts) else request.body


def plain(body: Body) -> Mapping[str, Any]:
    """A body, relayed or not, as the client would read it."""
    if isinstance(body, Relayed):
        read: Mapping[str, Any] = orjson.loads(body.raw)
        assert read == body.body, (
            "the `raw` of a Relayed is not the JSON text of its `body`: what the core accounts "
            "for and what the client reads would differ"
        )
        return read
    if isinstance(body, Binary):
        shown = {"content_type": body.content_type, "data": body.data.hex()}
        return {**shown, "usage": body.usage}
    assert isinstance(body, Mapping), f"the provider made a {type(body).__name__}, not a body"
    return body


def _dump(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
