"""Streams of typed events of OpenAI's API that end with one of their own, without `[DONE]`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from tornado_router import sse
from tornado_router.endpoints.base import EVENT_STREAM
from tornado_router.endpoints.dialects import OPENAI
from tornado_router.endpoints.openai_format import body_of, written
from tornado_router.endpoints.openai_usage import with_cost
from tornado_router.errors import ApiError
from tornado_router.provider import Body, Said, load_json
from tornado_router.usage import Drawn, Usage


class EventEncoder(ABC):
    """Frames events, and learns from them what the call used (`StreamEncoder`).

    Events of the vendor go on byte by byte, the last one too, unless its client wants to know there
    what the call costs.

    Attributes:
        last: types of events that end a stream, and have its usage.
        keepalive: the dialect's.
        cost: for a client that wants it beside its usage.
        maker: for nothing: no other provider is refused what it cannot read.
        generated: UTF-8 bytes of text so far.
        complete: whether the last event has come.
        response: always None: it is not kept.
    """

    last: ClassVar[tuple[str, ...]]
    content_type = EVENT_STREAM
    keepalive = OPENAI.keepalive
    cost: Callable[[Usage], float | None] | None = None
    maker = ""
    request_id = ""
    tell: Callable[[Drawn], None] | None = None
    generated = 0
    complete = False
    response: Mapping[str, Any] | None = None
    _reported: Usage | None = None

    @abstractmethod
    def size(self, event: Mapping[str, Any]) -> int:
        """UTF-8 bytes of text in an event that is not the last."""

    @abstractmethod
    def read_usage(self, event: Mapping[str, Any]) -> Usage | None:
        """The usage in the last event; None if there is none that can be believed."""

    @abstractmethod
    def estimate(self) -> Usage:
        """What was used, as far as it can be seen."""

    def encode(self, chunk: Body) -> bytes:
        """One event.

        Raises:
            ProviderError: a plugin made something else than an object.
        """
        event, raw = body_of(chunk)
        kind = event.get("type")
        if kind in self.last:
            self.complete = True
            self._reported = self.read_usage(event)
            usage = event.get("usage")
            if self.cost is not None and isinstance(usage, Mapping):
                event, raw = {**event, "usage": with_cost(usage, self.cost(self.usage()))}, None
        else:
            self.generated += self.size(event)
        if raw is None or b"\n" in raw or b"\r" in raw:
            raw = written(event)
        return self.named(kind) + sse.encode(raw)

    def named(self, kind: object) -> bytes:
        """The line before an event that names it; empty where the API has none."""
        return b""

    def said(self, chunk: Body) -> Said | None:
        """Nothing: each event is read."""
        return None

    def usage(self, prompt: int | None = None) -> Usage:
        """What the vendor reported, or an estimate."""
        return self._reported if self._reported is not None else self.estimate()

    def finish(self) -> bytes:
        """Nothing: the last event says that it is the last."""
        return b""

    def cut(self, reason: ApiError) -> bytes | None:
        """None: there is no event for it."""
        return None

    def error(self, error: ApiError) -> bytes | None:
        """The dialect's event."""
        return OPENAI.error_event(error)


def events_of(data: bytes) -> Iterator[dict[str, Any]]:
    """The events of a stream that can be read, for the request log."""
    decoder = sse.Decoder()
    for event in [*decoder.feed(data), *decoder.finish()]:
        try:
            value = load_json(event.data)
        except ValueError:  # an event that was cut off, or one that no client can read either
            continue
        if isinstance(value, dict):
            yield value
