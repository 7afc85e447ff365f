"""What a bridge is, and how a provider serves an endpoint that it lacks by one that it has."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import ClassVar, Protocol

from tornado_router.endpoints.base import END_SECONDS
from tornado_router.errors import ApiError
from tornado_router.provider import Body, Call, HTTPClient, UnsupportedKind
from tornado_router.provider.call import NO_FIELDS


class Server(Protocol):
    """What serves calls of an endpoint: a `Provider`, or what stands in front of one."""

    @property
    def remembers(self) -> bool:
        """Whether something is kept from turn to turn by `Call.keep`."""
        ...

    async def send(self, call: Call, http: HTTPClient) -> Body:
        """Serves a call whole. Raises as `Provider.send`."""
        ...

    def stream(self, call: Call, http: HTTPClient) -> AsyncGenerator[Sequence[Body], None]:
        """Serves a call as chunks. Raises as `Provider.stream`."""
        ...


class BridgedStream(Protocol):
    """Translates the chunks of one stream; made anew for each."""

    complete: bool
    """Whether all that was asked for is there, and `finish` waits for no more than usage.

    False where the encoder of the source sees the end of every choice by itself.
    """

    def feed(self, chunk: Body) -> Iterable[Body]:
        """The source's chunks that one of the target's amounts to."""
        ...

    def finish(self) -> Iterable[Body]:
        """The source's chunks that are due at the end of a stream that went well."""
        ...


class Bridge(ABC):
    """A pure translation between two endpoints: a call there, its response back.

    What the target has no place for is refused by name, or dropped and reported, as by `Params`.

    Attributes:
        source: the endpoint that the client called.
        target: the endpoint that the provider has.
        remembers: whether it uses `Call.keep` and `Call.memory`.
        unsupported_fields: every field of the source's request that is lost on the way, or some of
            its values or parts are, with the gravest of what becomes of it; a part may have an
            entry of its own, behind a dot. Shown in the documentation, and checked by the kit.
    """

    source: ClassVar[str]
    target: ClassVar[str]
    remembers: ClassVar[bool] = False
    unsupported_fields: ClassVar[Mapping[str, UnsupportedKind]] = NO_FIELDS

    @abstractmethod
    def call(self, call: Call) -> Call:
        """The target's call; valid against its schema. Nothing in `call` is changed.

        Its `memory` holds what the client itself sent back of what a provider kept.

        Raises:
            ProviderError: 400 with `param`: it asks for something that the target lacks. Another
                provider may have the source itself, so it is retryable.
        """

    @abstractmethod
    def response(self, call: Call, body: Body) -> Body:
        """The source's whole response.

        Args:
            call: as the client sent it.
            body: the target's response.
        """

    @abstractmethod
    def stream(self, call: Call) -> BridgedStream:
        """What translates one stream."""

    @abstractmethod
    def param(self, path: str) -> str:
        """The source's name of a field of the target's request, for refusals and headers."""


class BridgedProvider:
    """Serves an endpoint that a provider lacks, like a `Provider` that has it.

    Args:
        provider: has the bridge's target, or is behind another bridge to what it has.
        bridge: leads there.

    Attributes:
        remembers: whether something is kept from turn to turn, by the provider or a bridge.
    """

    def __init__(self, provider: Server, bridge: Bridge) -> None:
        self._provider = provider
        self._bridge = bridge
        self.remembers: bool = bridge.remembers or provider.remembers

    async def send(self, call: Call, http: HTTPClient) -> Body:
        """Serves a call whole. Raises as `Provider.send`."""
        inner = self._inner(call)
        try:
            body = await self._provider.send(inner, http)
        except ApiError as error:
            raise self._renamed(error) from None
        self._report_dropped(inner, call)
        return self._bridge.response(call, body)

    async def stream(self, call: Call, http: HTTPClient) -> AsyncGenerator[Sequence[Body], None]:
        """Serves a call as chunks. Raises as `Provider.stream`."""
        inner, stream = self._inner(call), self._bridge.stream(call)
        try:
            async with aclosing(self._provider.stream(inner, http)) as batches:
                async for batch in batches:
                    self._report_dropped(inner, call)
                    chunks = [made for chunk in batch for made in stream.feed(chunk)]
                    if chunks:
                        yield chunks
                    if stream.complete:
                        break
                if stream.complete:
                    async for batch in rest_of(batches):
                        chunks = [made for chunk in batch for made in stream.feed(chunk)]
                        if chunks:
                            yield chunks
        except ApiError as error:
            raise self._renamed(error) from None
        rest = list(stream.finish())
        if rest:
            yield rest

    def _inner(self, call: Call) -> Call:
        """The target's call; what the provider drops of it is renamed, what it keeps is not."""
        inner = self._bridge.call(call)
        memory = {**inner.memory, **call.memory} if inner.memory else call.memory
        return replace(inner, dropped=[], kept=call.kept, memory=memory)

    def _report_dropped(self, inner: Call, call: Call) -> None:
        if not inner.dropped:
            return  # as with nearly every batch of a stream
        call.dropped += [
            name
            for name in dict.fromkeys(map(self._bridge.param, inner.dropped))
            if name not in call.dropped
        ]
        inner.dropped.clear()

    def _renamed(self, error: ApiError) -> ApiError:
        if error.param is not None:
            error.param = self._bridge.param(error.param)
        return error


async def rest_of(
    batches: AsyncGenerator[Sequence[Body], None],
) -> AsyncGenerator[Sequence[Body], None]:
    """What comes behind the end of every choice: what goes wrong there is an end, too."""
    with suppress(ApiError, TimeoutError, StopAsyncIteration):
        while True:
            async with asyncio.timeout(END_SECONDS):
                batch = await anext(batches)
            yield batch
