"""Chat completions by a model that serves them, or all of them, by responses alone.

| module | holds |
|---|---|
| `request` | a request as one for a response |
| `items` | its messages as items, with the reasoning that was kept |
| `tools` | its tools, and which of them to call |
| `response`, `stream` | the chat completion and its chunks |
| `kept` | reasoning that the model wants back with the results of its tools |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tornado_router.endpoints.bridges.base import Bridge, BridgedStream
from tornado_router.endpoints.bridges.chat_to_responses.request import UNSUPPORTED, build_body
from tornado_router.endpoints.bridges.chat_to_responses.response import completion_of
from tornado_router.endpoints.bridges.chat_to_responses.stream import CompletionStream
from tornado_router.endpoints.chat_completions import CHAT_COMPLETIONS
from tornado_router.endpoints.responses import RESPONSES
from tornado_router.endpoints.rules import calls_have_outputs
from tornado_router.error_codes import Failure
from tornado_router.provider import Body, Call, Relayed, UnsupportedKind, dump_json

__all__ = ["ChatToResponses"]

_NAMES: Mapping[str, str] = {
    "include": "logprobs",
    "input": "messages",
    "max_output_tokens": "max_completion_tokens",
    "reasoning": "reasoning_effort",
    "reasoning.effort": "reasoning_effort",
    "text": "response_format",
    "text.format": "response_format",
    "text.verbosity": "verbosity",
}
"""What a chat completion calls the fields of the request that is made of it. A message may become
several items, so of those only the field is named."""


class ChatToResponses(Bridge):
    """Messages become items, and events chunks. The model's reasoning is kept from turn to turn."""

    source: ClassVar[str] = CHAT_COMPLETIONS.name
    unsupported_fields: ClassVar[Mapping[str, UnsupportedKind]] = UNSUPPORTED
    target: ClassVar[str] = RESPONSES.name
    remembers: ClassVar[bool] = True

    def call(self, call: Call) -> Call:
        """The request for a response, which the vendor does not store.

        Raises:
            ApiError: 400, a tool call has no result, or a result no call: no vendor takes that.
        """
        body = build_body(call)
        calls_have_outputs(body, "messages")
        return Call(
            call.id, self.target, call.model, body, dump_json(body), call.stream, call.unsupported
        )

    def response(self, call: Call, body: Body) -> Body:
        """The output as one choice.

        Raises:
            ProviderError: it is not a response.
        """
        found: Any = body.body if isinstance(body, Relayed) else body
        try:
            return completion_of(call, found)
        except (AttributeError, KeyError, IndexError, TypeError):
            raise Failure.unreadable_response() from None

    def stream(self, call: Call) -> BridgedStream:
        """What translates one stream."""
        return CompletionStream(call)

    def param(self, path: str) -> str:
        """The chat completion's name of a field."""
        if path in _NAMES:
            return _NAMES[path]
        name = path.replace("[", ".").partition(".")[0]
        return _NAMES.get(name, path)
