"""Endpoints in their own format: bytes pass through, and only what must be is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tornado_router.provider import (
    Body,
    Call,
    Event,
    ProviderError,
    Relayed,
    StreamParser,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
    asks_for_nothing,
    bad_answer,
    dump_json,
    is_error,
    load_json_object,
    reported_error,
)
from tornado_router_openai.streams import PassingParser, PassingStreams

if TYPE_CHECKING:
    from tornado_router_openai.provider import OpenAIProvider


FAILED = "error"
"""The finish reason of a choice that failed."""


class Draft:
    """A request on its way to the vendor.

    Attributes:
        fields: of its body; at first the client's own.
        changed: whether anything in them differs from what the client sent.
    """

    __slots__ = ("changed", "fields")

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.fields = body
        self.changed = False

    def put(self, name: str, value: Any) -> None:
        """Sets a field."""
        self._own()[name] = value

    def leave_out(self, name: str) -> None:
        """Takes a field away, if it is there."""
        if name in self.fields:
            del self._own()[name]

    def _own(self) -> dict[str, Any]:
        """The fields as a copy, which may be changed."""
        if not self.changed:
            self.fields = dict(self.fields)
            self.changed = True
        assert isinstance(self.fields, dict)
        return self.fields


class Relay(Translator):
    """An endpoint whose requests and responses need no translation.

    Args:
        provider: whose base URL and headers are used.
        path: of the endpoint, behind the base URL.
        content: the field without which a response is none.
    """

    def __init__(self, provider: OpenAIProvider, path: str, content: str) -> None:
        self._provider = provider
        self._url = provider.base_url + path
        self._content = content

    def build_request(self, call: Call) -> UpstreamRequest:
        """The client's own bytes, unless something in them has to differ."""
        draft = Draft(call.body)
        self.edit(draft, call)
        body = dump_json(draft.fields) if draft.changed else call.raw
        return UpstreamRequest(self._url, body, self._provider.headers)

    def edit(self, draft: Draft, call: Call) -> None:
        """Changes what the vendor has to see differently, or not at all."""
        fields, provider = draft.fields, self._provider
        if call.model != fields["model"]:
            draft.put("model", call.model)
        if not provider.is_openai and None in fields.values():
            for name in [name for name, value in fields.items() if value is None]:
                draft.leave_out(name)
        for name, vendor_name in provider.renamed.items():
            if name in draft.fields:
                self._rename(draft, call, name, vendor_name)
        for name in provider.unknown_hints:
            if name in draft.fields:
                if not asks_for_nothing(name, draft.fields[name]):
                    call.dropped.append(name)
                draft.leave_out(name)

    def _rename(self, draft: Draft, call: Call, name: str, vendor_name: str) -> None:
        """Gives a field the vendor's name; a value under that name already says more."""
        value = draft.fields[name]
        draft.leave_out(name)
        if draft.fields.get(vendor_name) is None:
            draft.put(vendor_name, value)
        elif value is not None:
            call.dropped.append(name)

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The vendor's bytes, once they are known to be a response."""
        name, headers = self._provider.name, response.headers
        body = load_json_object(response.body, name)
        if is_error(body):
            raise reported_error(name, body, headers)
        content = body.get(self._content)
        if not content:
            error = reported_error(name, body, headers)
            missing = bad_answer(f"The response of the provider '{name}' has no {self._content}.")
            raise error if error.words else missing
        if self._content == "choices" and isinstance(content, list):
            check_choices(content, name, headers)
        return Relayed(body, response.body)

    def parse_stream(self, call: Call) -> StreamParser:
        """None: only chat is streamed."""
        raise ProviderError(400, "This endpoint cannot be streamed.", param="stream")


class Streaming(PassingStreams, Relay):
    """An endpoint whose responses may be streams of chunks with choices."""

    def edit(self, draft: Draft, call: Call) -> None:
        """As everywhere; and usage has to be asked for in streams."""
        super().edit(draft, call)
        if not self._provider.stream_usage:
            draft.leave_out("stream_options")  # the core serves what the client wants of it
        elif call.stream:
            options = draft.fields.get("stream_options") or {}
            if not options.get("include_usage"):
                draft.put("stream_options", {**options, "include_usage": True})

    def parse_stream(self, call: Call) -> ChatStreamParser:
        """A parser that passes chunks through."""
        return ChatStreamParser(self._provider.name)


class Completions(Streaming):
    """https://platform.openai.com/docs/api-reference/completions."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/completions", "choices")

    def edit(self, draft: Draft, call: Call) -> None:
        """As everywhere; and -1 is a bound to some servers alone, that of none."""
        super().edit(draft, call)
        if draft.fields.get("max_tokens") == -1 and not self._provider.takes_unlimited:
            draft.leave_out("max_tokens")


class Moderations(Relay):
    """https://platform.openai.com/docs/api-reference/moderations."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/moderations", "results")


class ChatStreamParser(PassingParser):
    """Passes the chunks of one stream through, and knows whether it came to its end.

    The end is `[DONE]`, or, as some vendors send none, a finish reason.

    Attributes:
        passes: whether events may pass unread that differ from one before in their text alone.
    """

    passes = True

    def __init__(self, provider: str) -> None:
        super().__init__(provider)
        self._begun = False
        self._finished = False

    def feed(self, event: Event) -> Iterable[Body]:
        """The chunk of an event."""
        if event.data == b"[DONE]":
            self.done = True
            return ()
        chunk = load_json_object(event.data, self._provider)
        choices = chunk.get("choices")
        if chunk.get("error") or (not choices and (event.name == "error" or is_error(chunk))):
            raise reported_error(self._provider, chunk, self.headers)
        try:
            for choice in choices or ():
                self._begun = True
                reason = choice.get("finish_reason")
                if reason:
                    self._finished = True
                if reason == FAILED or "error" in choice:
                    check_choices((choice,), self._provider, self.headers)
        except (AttributeError, TypeError):
            raise bad_answer(
                f"The provider '{self._provider}' sent a chunk whose 'choices' cannot be read."
            ) from None
        return (Relayed(chunk, event.data),)

    @property
    def is_whole(self) -> bool:
        """Whether a choice has ended, or the stream, once it had begun."""
        return self._finished or (self.done and self._begun)


def check_choices(
    choices: Iterable[object], provider: str, headers: Mapping[str, str] | None
) -> None:
    """Refuses a choice that failed: https://openrouter.ai/docs/api/reference/errors-and-debugging.

    Raises:
        ProviderError: with the choice's own status and words.
    """
    for choice in choices:
        if not isinstance(choice, Mapping):
            continue
        if choice.get("error"):
            raise reported_error(provider, choice, headers)
        if choice.get("finish_reason") == FAILED:
            raise reported_error(provider, {}, headers)
