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
    bad_answer,
    dump_json,
    load_json_object,
)

if TYPE_CHECKING:
    from tornado_router_openai.provider import OpenAIProvider


_ABSENT = object()
"""Stands for a field that the vendor must not see."""


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
        body = call.raw
        changes = self.changes(call)
        if changes:
            changed = {**call.body, **changes}
            body = dump_json(
                {name: value for name, value in changed.items() if value is not _ABSENT}
            )
        return UpstreamRequest(self._url, body, self._provider.headers)

    def changes(self, call: Call) -> dict[str, Any]:
        """The fields of the body that the vendor has to see differently, or not at all."""
        body, provider = call.body, self._provider
        changes: dict[str, Any] = {}
        if call.model != body["model"]:
            changes["model"] = call.model
        for name, vendor_name in provider.renamed.items():
            if name in body:
                changes[name] = _ABSENT
                changes.setdefault(vendor_name, body[name])
        for name in provider.unknown_hints:
            if name in body:
                changes[name] = _ABSENT
                call.dropped.append(name)
        return changes

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The vendor's bytes, once they are known to be a response."""
        name = self._provider.name
        body = _object(response.body, name)
        if not body.get(self._content):
            raise bad_answer(f"The response of the provider '{name}' has no {self._content}.")
        return Relayed(body, response.body)

    def parse_stream(self, call: Call) -> StreamParser:
        """None: only chat is streamed."""
        raise ProviderError(400, "This endpoint cannot be streamed.", param="stream")


class _Streaming(Relay):
    """An endpoint whose responses may be streams of chunks with choices."""

    def changes(self, call: Call) -> dict[str, Any]:
        """As everywhere; and usage has to be asked for in streams."""
        changes = super().changes(call)
        if not self._provider.stream_usage:
            if "stream_options" in call.body:
                changes["stream_options"] = _ABSENT  # the core serves what the client wants of it
        elif call.stream:
            options = call.body.get("stream_options") or {}
            if not options.get("include_usage"):
                changes["stream_options"] = {**options, "include_usage": True}
        return changes

    def parse_stream(self, call: Call) -> StreamParser:
        """A parser that passes chunks through."""
        return ChatStreamParser(self._provider.name)


class ChatCompletions(_Streaming):
    """https://platform.openai.com/docs/api-reference/chat."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/chat/completions", "choices")


class Completions(_Streaming):
    """https://platform.openai.com/docs/api-reference/completions."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/completions", "choices")


class Embeddings(Relay):
    """https://platform.openai.com/docs/api-reference/embeddings."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/embeddings", "data")


class Moderations(Relay):
    """https://platform.openai.com/docs/api-reference/moderations."""

    def __init__(self, provider: OpenAIProvider) -> None:
        super().__init__(provider, "/moderations", "results")


class ChatStreamParser:
    """Passes the chunks of one stream through, and knows whether it came to its end.

    The end is `[DONE]`, or, as some vendors send none, a finish reason.
    """

    def __init__(self, provider: str) -> None:
        self.done = False
        self._provider = provider
        self._begun = False
        self._finished = False

    def feed(self, event: Event) -> Iterable[Body]:
        """The chunk of an event."""
        if event.data == b"[DONE]":
            self.done = True
            return ()
        chunk = _object(event.data, self._provider)
        try:
            for choice in chunk.get("choices") or ():
                self._begun = True
                if choice.get("finish_reason"):
                    self._finished = True
        except (AttributeError, TypeError):
            raise bad_answer(
                f"The provider '{self._provider}' sent a chunk whose 'choices' cannot be read."
            ) from None
        return (Relayed(chunk, event.data),)

    def finish(self) -> Iterable[Body]:
        """Nothing is held back; only checks that the stream is whole."""
        if not self._finished and not (self.done and self._begun):
            raise bad_answer(f"The provider '{self._provider}' broke off its stream.")
        return ()


def _object(data: bytes, provider: str) -> Mapping[str, Any]:
    """The JSON object in a response or an event, unless it reports an error.

    Raises:
        ProviderError: it is not a JSON object, or the vendor reports an error behind a status 200.
    """
    body = load_json_object(data, provider)
    error = body.get("error")
    if error:
        message = error.get("message") if isinstance(error, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        raise ProviderError(
            502,
            message if isinstance(message, str) else f"The provider '{provider}' reports an error.",
            code=code if isinstance(code, str) else None,
        )
    return body
