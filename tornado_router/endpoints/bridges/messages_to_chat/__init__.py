"""The Messages API by a provider that has only chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tornado_router.endpoints.bridges.base import Bridge, BridgedStream
from tornado_router.endpoints.bridges.messages_to_chat.request import UNSUPPORTED, build_body
from tornado_router.endpoints.bridges.messages_to_chat.response import message_of
from tornado_router.endpoints.bridges.messages_to_chat.stream import MessageStream
from tornado_router.endpoints.chat_completions import CHAT_COMPLETIONS
from tornado_router.error_codes import Failure
from tornado_router.provider import Body, Call, Relayed, UnsupportedKind, dump_json

_NAMES: Mapping[str, str] = {
    "messages": "messages",
    "max_completion_tokens": "max_tokens",
    "parallel_tool_calls": "tool_choice.disable_parallel_tool_use",
    "reasoning_effort": "thinking",
    "response_format": "output_config.format",
    "stop": "stop_sequences",
    "stream_options": "stream",
    "tools": "tools",
    "user": "metadata.user_id",
}
"""What a message calls the fields of the chat completion that is made of it. The places in lists
are others, so of a message or a tool only the field is named."""


class MessagesToChat(Bridge):
    """A turn becomes messages, blocks become parts, and the response a message's blocks again."""

    source: ClassVar[str] = "messages"
    target: ClassVar[str] = CHAT_COMPLETIONS.name
    unsupported_fields: ClassVar[Mapping[str, UnsupportedKind]] = UNSUPPORTED

    def call(self, call: Call) -> Call:
        """The conversation as chat completions have it."""
        body = build_body(call)
        return Call(
            call.id, self.target, call.model, body, dump_json(body), call.stream, call.unsupported
        )

    def response(self, call: Call, body: Body) -> Body:
        """The first choice as a message.

        Raises:
            ProviderError: there is none.
        """
        found: Any = body.body if isinstance(body, Relayed) else body
        try:
            return message_of(call, found)
        except (AttributeError, KeyError, IndexError, TypeError):
            raise Failure.unreadable_response() from None

    def stream(self, call: Call) -> BridgedStream:
        """What translates one stream."""
        return MessageStream(call)

    def param(self, path: str) -> str:
        """The field of a message behind one of the chat completion."""
        name = path.replace("[", ".").partition(".")[0]
        return _NAMES.get(name, path)
