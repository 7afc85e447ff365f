"""Responses by a provider that has only chat completions.

| module | holds |
|---|---|
| `request` | a request as a chat completion's |
| `conversation`, `parts` | its items as messages |
| `tools`, `tool_items` | tools of every kind as functions, their calls and outputs |
| `response`, `output`, `stream` | the response and its events |
| `state` | what providers kept, in the hands of the client |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tornado_router.endpoints.bridges.base import Bridge, BridgedStream
from tornado_router.endpoints.bridges.responses_to_chat.request import UNSUPPORTED, chat_call
from tornado_router.endpoints.bridges.responses_to_chat.stream import ResponseStream
from tornado_router.endpoints.chat_completions import CHAT_COMPLETIONS
from tornado_router.endpoints.responses import RESPONSES
from tornado_router.provider import Body, Call, UnsupportedKind

__all__ = ["ResponsesToChat"]

_NAMES = {
    "messages": "input",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "text.format",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
    "logprobs": "top_logprobs",
}
"""What a response calls the fields of the chat completion that is made of it."""

_COLLECTED = ("messages", "tools")
"""Fields whose items stand elsewhere in the request."""


class ResponsesToChat(Bridge):
    """Items become messages, tools of every kind functions, and chunks events."""

    source: ClassVar[str] = RESPONSES.name
    target: ClassVar[str] = CHAT_COMPLETIONS.name
    unsupported_fields: ClassVar[Mapping[str, UnsupportedKind]] = UNSUPPORTED

    def call(self, call: Call) -> Call:
        """A chat completion."""
        return chat_call(call)

    def response(self, call: Call, body: Body) -> Body:
        """The response that a stream would end with, of one chunk that has it all."""
        stream = ResponseStream(call)
        *_, last = *stream.feed(body), *stream.finish()
        response: Body = last["response"]
        return response

    def stream(self, call: Call) -> BridgedStream:
        """What translates one stream."""
        return ResponseStream(call)

    def param(self, path: str) -> str:
        """The response's name of a field; what was gathered from several places has its own."""
        name, rest = path[: len(path)], ""
        for separator in ".[":
            at = path.find(separator)
            if 0 <= at < len(name):
                name, rest = path[:at], path[at:]
        if name in _COLLECTED:
            rest = ""
        return _NAMES.get(name, name) + rest
