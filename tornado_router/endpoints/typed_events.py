"""Streams of events that each say their type, and that end with one: of speech, images, texts."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from tornado_router import sse
from tornado_router.endpoints.base import EVENT_STREAM
from tornado_router.endpoints.dialects import OPENAI
from tornado_router.endpoints.media_usage import read_media_usage
from tornado_router.endpoints.openai_format import body_of, written
from tornado_router.endpoints.openai_usage import with_cost
from tornado_router.error_codes import Failure
from tornado_router.errors import ApiError
from tornado_router.provider import Body, Call, Said
from tornado_router.usage import Usage


class TypedEventsEncoder:
    """Passes typed events on as they come, and learns from the last what was used.

    No `[DONE]` follows (`StreamEncoder`).

    Args:
        call: what the client asked for.

    Attributes:
        last: the end of the type of an event that is the last, such as `.done`.
        names: whether events have their type as their name, too.
        keepalive: the dialect's.
        cost: for a client that wants it beside its usage.
        maker: for nothing.
        generated: UTF-8 bytes of text so far.
        complete: whether all that was asked for is there.
        response: always None: it is not kept.
    """

    last: ClassVar[str]
    names: ClassVar[bool] = False
    content_type = EVENT_STREAM
    keepalive = OPENAI.keepalive
    cost: Callable[[Usage], float | None] | None = None
    maker = ""
    request_id = ""
    generated = 0
    complete = False
    response: Mapping[str, Any] | None = None

    def __init__(self, call: Call) -> None:
        self._call = call
        self._reported: Usage | None = None
        self._ended = 0

    @abstractmethod
    def measured(self, reported: Usage | None) -> Usage:
        """What was used: what the vendor reported with what it leaves out, or an estimate."""

    def count(self) -> int:
        """How many last events there are to be."""
        return 1

    def encode(self, chunk: Body) -> bytes:
        """One event.

        Raises:
            ProviderError: it has no type.
        """
        body, raw = body_of(chunk)
        kind = body.get("type")
        if not isinstance(kind, str):
            raise Failure.unreadable_response()
        if kind.endswith(self.last):
            self._ended += 1
            self.complete = self._ended >= self.count()
            self._take_usage(body.get("usage"))
            if self.cost is not None and isinstance(body.get("usage"), Mapping):
                dollars = self.cost(self.usage())
                body, raw = {**body, "usage": with_cost(body["usage"], dollars)}, None
        if raw is None or b"\n" in raw or b"\r" in raw:
            raw = written(body)
        name = b"event: %b\n" % kind.encode() if self.names and kind.isprintable() else b""
        return name + sse.encode(raw)

    def said(self, chunk: Body) -> Said | None:
        """Nothing: each event is read."""
        return None

    def usage(self, prompt: int | None = None) -> Usage:
        """What the vendor reported, or an estimate."""
        return self.measured(self._reported)

    def finish(self) -> bytes:
        """Nothing: the last event is the end."""
        return b""

    def cut(self, reason: ApiError) -> bytes:
        """The dialect's event: no other has a place for a reason."""
        return OPENAI.error_event(reason)

    def error(self, error: ApiError) -> bytes:
        """The dialect's event."""
        return OPENAI.error_event(error)

    def _take_usage(self, value: object) -> None:
        """Adds what one last event reports: each image has its own."""
        usage = read_media_usage(value)
        if usage is not None and self._reported is not None:
            sums = map(sum, zip(usage[:-1], self._reported[:-1], strict=True))
            usage = Usage(*sums)  # type: ignore[arg-type]  # all but seconds are integers
        self._reported = usage or self._reported
