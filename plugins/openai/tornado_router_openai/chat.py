"""`chat.completions` in its own format: bytes pass through, and only what must be is changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from tornado_router.provider import (
    Body,
    Call,
    Event,
    ProviderError,
    Relayed,
    Translator,
    UpstreamRequest,
    UpstreamResponse,
    bad_answer,
)

if TYPE_CHECKING:
    from tornado_router_openai.provider import OpenAIProvider


class ChatCompletions(Translator):
    """https://platform.openai.com/docs/api-reference/chat."""

    path = "/chat/completions"

    def __init__(self, provider: OpenAIProvider) -> None:
        self._provider = provider
        self._url = provider.base_url + self.path

    def build_request(self, call: Call) -> UpstreamRequest:
        """The client's own bytes, unless the model's name differs or usage has to be asked for."""
        changes: dict[str, Any] = {}
        if call.model != call.body["model"]:
            changes["model"] = call.model
        if call.stream and self._provider.stream_usage:
            options = call.body.get("stream_options") or {}
            if not options.get("include_usage"):
                changes["stream_options"] = {**options, "include_usage": True}
        body = _dump({**call.body, **changes}) if changes else call.raw
        return UpstreamRequest(self._url, body, self._provider.headers)

    def parse_response(self, call: Call, response: UpstreamResponse) -> Body:
        """The vendor's bytes, once they are known to be a completion."""
        body = _object(response.body, self._provider.name)
        if not body.get("choices"):
            raise bad_answer(f"The answer of the provider '{self._provider.name}' has no choices.")
        return Relayed(body, response.body)

    def parse_stream(self, call: Call) -> ChatStreamParser:
        """A parser that passes chunks through."""
        return ChatStreamParser(self._provider.name)


class ChatStreamParser:
    """Passes the chunks of one stream through, and knows whether it came to its end.

    The end is `[DONE]`, or, as some vendors send none, a finish reason.
    """

    def __init__(self, provider: str) -> None:
        self.done = False
        self._provider = provider
        self._finished = False

    def feed(self, event: Event) -> Iterable[Body]:
        """The chunk of an event."""
        if event.data == b"[DONE]":
            self.done = True
            return ()
        chunk = _object(event.data, self._provider)
        for choice in chunk.get("choices") or ():
            if choice.get("finish_reason"):
                self._finished = True
        return (Relayed(chunk, event.data),)

    def finish(self) -> Iterable[Body]:
        """Nothing is held back; only checks that the stream is whole."""
        if not self.done and not self._finished:
            raise bad_answer(f"The provider '{self._provider}' broke off its stream.")
        return ()


def _object(data: bytes, provider: str) -> Mapping[str, Any]:
    """The JSON object in an answer or an event, unless it tells of an error.

    Raises:
        ProviderError: it is no JSON object, or the vendor reports an error behind a status 200.
    """
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise bad_answer(f"The provider '{provider}' sent something that is not JSON.") from None
    if not isinstance(body, dict):
        raise bad_answer(f"The provider '{provider}' sent something that is no JSON object.")
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


def _dump(body: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # orjson knows no integers beyond 64 bits; a client may send one
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
