"""What a bridge is, and how a provider serves an endpoint that it lacks by one that it has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import ClassVar, Protocol

from tornado_router.errors import ApiError
from tornado_router.provider import Body, Call, HTTPClient, Provider


class BridgedStream(Protocol):
    """Translates the chunks of one stream; made anew for each."""

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
    """

    source: ClassVar[str]
    target: ClassVar[str]

    @abstractmethod
    def call(self, call: Call) -> Call:
        """The target's call; valid against its schema. Nothing in `call` is changed.

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
        provider: has the bridge's target.
        bridge: leads there.
    """

    def __init__(self, provider: Provider, bridge: Bridge) -> None:
        self._provider = provider
        self._bridge = bridge

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
        except ApiError as error:
            raise self._renamed(error) from None
        rest = list(stream.finish())
        if rest:
            yield rest

    def _inner(self, call: Call) -> Call:
        """The target's call; what the provider drops of it is renamed, what it keeps is not."""
        inner = self._bridge.call(call)
        return replace(inner, dropped=[], kept=call.kept, memory=call.memory)

    def _report_dropped(self, inner: Call, call: Call) -> None:
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
