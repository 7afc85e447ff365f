"""`POST /v1/messages`: https://platform.claude.com/docs/en/api/messages/create."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from tornado_router.endpoints import messages_rules as rules
from tornado_router.endpoints.anthropic_usage import read_usage, usage_body
from tornado_router.endpoints.ask import Ask, Output
from tornado_router.endpoints.base import (
    JSON,
    LARGE_BODY,
    Documentation,
    Encoded,
    Endpoint,
    StreamEncoder,
)
from tornado_router.endpoints.dialects import ANTHROPIC, Dialect
from tornado_router.endpoints.estimates import text_size, tokens_of
from tornado_router.endpoints.messages_blocks import (
    all_blocks,
    count_high,
    estimate_prompt,
    media_of,
)
from tornado_router.endpoints.messages_join import join_events, trim_message
from tornado_router.endpoints.messages_stream import MessagesEncoder, is_content
from tornado_router.endpoints.named_resources import of_messages
from tornado_router.endpoints.openai_format import body_of, written
from tornado_router.endpoints.resource_ids import Named
from tornado_router.error_codes import Failure
from tornado_router.provider import Body, Call, Relayed
from tornado_router.usage import BYTES_PER_TOKEN, Usage
from tornado_router.validation.validator import Rule

TEMPERATURE = 1.0
"""Of a request that sets none."""

_MEDIA = {"image": "images", "document": "files", "container_upload": "files"}
_CLEAR_THINKING = "clear_thinking"
"""How edits of a context are called that need thinking:
https://platform.claude.com/docs/en/build-with-claude/context-editing."""

_MODEL = "claude-sonnet-5-5"
_QUESTION = {"role": "user", "content": "What is the capital of France?"}
_EXAMPLES: Mapping[str, Any] = {
    "A question": {"model": _MODEL, "max_tokens": 1024, "messages": [_QUESTION]},
    "A streamed answer": {
        "model": _MODEL,
        "max_tokens": 1024,
        "system": "Answer in one sentence.",
        "messages": [{"role": "user", "content": "Why is the sky blue?"}],
        "stream": True,
    },
    "A tool": {
        "model": _MODEL,
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": "How warm is it in Oslo?"}],
        "tools": [
            {
                "name": "get_temperature",
                "description": "The current temperature in a city, in degrees Celsius.",
                "input_schema": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                },
            }
        ],
    },
    "An image": {
        "model": _MODEL,
        "max_tokens": 1024,
        "messages": [
            {
                "role": "user",
                "content": [
                    {
                        "type": "image",
                        "source": {"type": "url", "url": "https://example.com/cat.png"},
                    },
                    {"type": "text", "text": "What is in this picture?"},
                ],
            }
        ],
    },
}


class MessagesAsk(Ask):
    """What a request for a message asks for."""

    __slots__ = ()

    def prompt(self) -> tuple[int, int]:
        """An estimate by the size of the JSON; if there are media, by the texts inside."""
        media = media_of(self.call.body)
        if not media:
            return -(-len(self.call.raw) // BYTES_PER_TOKEN), 0
        images = sum(block["type"] == "image" for block in media)
        return estimate_prompt(self.call.body), images

    def output(self) -> Output:
        """One message of at most `max_tokens`."""
        return Output(1, self._bound())

    def context(self) -> int:
        """The prompt, and the most that the message may come to."""
        return estimate_prompt(self.call.body) + self._bound()

    def needs(self) -> Mapping[str, str]:
        """Kinds of media, tools, structured outputs."""
        body = self.call.body
        needs = {_MEDIA[block["type"]]: "messages" for block in media_of(body)}
        if body.get("tools"):
            needs["tools"] = "tools"
        form = (body.get("output_config") or {}).get("format")
        if form and form.get("type") == "json_schema":
            needs["structured_outputs"] = "output_config.format"
        return needs

    def temperature(self) -> float:
        """The client's, or the vendor's default."""
        given = self.call.body.get("temperature")
        return TEMPERATURE if given is None else float(given)

    def _bound(self) -> int:
        return int(self.call.body["max_tokens"])  # for JSON Schema, 2.0 is an integer


class Messages(Endpoint):
    """Messages in, a message out, in Anthropic's form."""

    name: ClassVar[str] = "messages"
    path: ClassVar[str] = "/v1/messages"
    dialect: ClassVar[Dialect] = ANTHROPIC
    rules: ClassVar[Sequence[Rule]] = (
        rules.results_have_calls,
        rules.choice_names_a_tool,
        rules.images_are_base64,
    )
    prompt_field: ClassVar[str] = "messages"
    bound_fields: ClassVar[tuple[str, ...]] = ("max_tokens",)
    body_bytes: ClassVar[int] = LARGE_BODY
    count_name: ClassVar[str] = "messages.count_tokens"
    count_path: ClassVar[str] = "/v1/messages/count_tokens"
    effort_fields: ClassVar[tuple[str, ...]] = ("output_config.effort", "thinking")
    streams: ClassVar[bool] = True
    forwarded_headers: ClassVar[tuple[str, ...]] = (
        "anthropic-beta",
        "anthropic-user-profile-id",
        "anthropic-version",
        "anthropic-workspace-id",
    )
    otel_operation: ClassVar[str] = "chat"
    documentation: ClassVar[Documentation] = Documentation(
        summary="Create a message",
        description="As in the Anthropic API, with any model of `GET /v1/models`. With `stream`, "
        "the response is a stream of events, each with a `MessagesEvent`.",
        examples=_EXAMPLES,
        chunk="messages.event",
        ends_with_done=False,
    )

    def count(self, call: Call, model: str) -> int:
        """An estimate of the tokens of a request that rather errs high."""
        return count_high(call.raw, call.body, model)

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return MessagesAsk(call)

    def without(self, body: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Without `thinking`, the vendor refuses edits of the context that clear thoughts."""
        left = super().without(body, path)
        context = left.get("context_management")
        edits = context.get("edits") if isinstance(context, Mapping) else None
        if path != "thinking" or not isinstance(edits, list):
            return left
        kept = [edit for edit in edits if not str(edit.get("type")).startswith(_CLEAR_THINKING)]
        if kept:
            return {**left, "context_management": {**context, "edits": kept}}  # type: ignore[dict-item]
        del left["context_management"]
        return left

    def tool_call_ids(self, call: Call) -> list[str]:
        """The ids of the calls of tools in the messages of assistants."""
        return [
            block["id"]
            for block in all_blocks(call.body)
            if block.get("type") == "tool_use" and isinstance(block.get("id"), str)
        ]

    def resources(self, call: Call) -> Sequence[Named]:
        """Files, and a container."""
        return of_messages(call)

    def estimate(self, call: Call, generated: int = 0) -> Usage:
        """A guess: of the prompt by its texts, of the output by its bytes."""
        return Usage(estimate_prompt(call.body), tokens_of(generated), estimated=True)

    def whole(self, call: Call, response: Body, model: str | None = None) -> Encoded:
        """The vendor's bytes as they are, or the JSON of what a plugin made.

        Raises:
            ProviderError: it is not a message.
        """
        body, raw = body_of(response)
        content = body.get("content")
        if not isinstance(content, list):
            raise Failure.unreadable_response()
        if model is not None:
            body, raw = {**body, "model": model}, None
        usage = read_usage(body.get("usage"))
        if usage is None:
            usage = self.estimate(call, text_size(content))
            if raw is None:
                body = {**body, "usage": usage_body(usage)}
        return Encoded(written(body) if raw is None else raw, JSON, usage)

    def has_content(self, chunk: Body) -> bool:
        """Whether an event has text, a thought, or a call of a tool."""
        body = chunk.body if isinstance(chunk, Relayed) else chunk
        return isinstance(body, Mapping) and is_content(body)

    def encoder(self, call: Call, model: str | None = None) -> StreamEncoder:
        """What makes the bytes of a stream."""
        return MessagesEncoder(self, call, model)

    def join(self, events: bytes) -> dict[str, Any]:
        """The message that the events of a stream amount to."""
        return join_events(events)

    def trim(self, joined: dict[str, Any], without_end: Callable[[str], str]) -> None:
        """Removes the ends of texts, and all else: half a property fits no rule of redaction."""
        trim_message(joined, without_end)


MESSAGES = Messages()
