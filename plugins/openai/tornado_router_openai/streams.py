"""Streams whose events pass through: what their translators and parsers have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping

from tornado_router.provider import (
    Body,
    Call,
    Event,
    StreamParser,
    Translator,
    UpstreamResponse,
    bad_answer,
)


class PassingParser:
    """Passes the events of one stream through, and knows whether it came to its end.

    Args:
        provider: the name of its table.
        headers: of the response, as far as they are known.

    Attributes:
        headers: the same.
    """

    def __init__(self, provider: str, headers: Mapping[str, str] | None = None) -> None:
        self.done = False
        self.headers: Mapping[str, str] = headers or {}
        self._provider = provider

    @property
    def is_whole(self) -> bool:
        """Whether all of the stream has come."""
        return self.done

    @abstractmethod
    def feed(self, event: Event) -> Iterable[Body]:
        """The event as a chunk."""

    def finish(self) -> Iterable[Body]:
        """Nothing is held back; only checks that the stream is whole."""
        if not self.is_whole:
            raise bad_answer(f"The provider '{self._provider}' broke off its stream.")
        return ()


class PassingStreams(Translator):
    """An endpoint whose streams pass through."""

    @abstractmethod
    def parse_stream(self, call: Call) -> PassingParser:
        """A parser that passes events through."""

    def open_stream(self, call: Call, response: UpstreamResponse) -> StreamParser:
        """The same, which knows the `Retry-After` of the response."""
        parser = self.parse_stream(call)
        parser.headers = response.headers
        return parser
