"""`POST /v1/responses`: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from tornado_router.endpoints import rules
from tornado_router.endpoints.ask import ONE_OUTPUT, Ask, Output
from tornado_router.endpoints.base import JSON, LARGE_BODY, Documentation, Encoded, StreamEncoder
from tornado_router.endpoints.estimates import LABELS, text_size
from tornado_router.endpoints.item_references import Reference, is_reference, references_in
from tornado_router.endpoints.makers_marks import Makers, makers_of, marked, unmarked
from tornado_router.endpoints.named_resources import containers_in, of_responses
from tornado_router.endpoints.openai_format import OpenAIEndpoint, body_of, written
from tornado_router.endpoints.resource_ids import Named
from tornado_router.endpoints.responses_stream import ResponsesEncoder, join_events
from tornado_router.endpoints.responses_usage import read_response_usage, response_usage_body
from tornado_router.error_codes import Failure
from tornado_router.provider import Body, Call, Relayed, dump_json
from tornado_router.usage import BYTES_PER_TOKEN
from tornado_router.validation.validator import Rule

HIGH = 4 / 3
"""By so much an estimate of a count is above that of an ordinary text: three bytes a token."""

TEMPERATURE = 1.0
"""Of a request that sets none: https://platform.openai.com/docs/api-reference/responses/create."""

_LITE = "x-openai-internal-codex-responses-lite"
"""By which Codex says that its tools are in the input. Without it, OpenAI refuses `namespace` in
the calls of those tools: https://github.com/openai/codex, codex-rs/core/src/client.rs."""

_MEDIA = {"input_image": "images", "input_audio": "audio", "input_file": "files"}
_CALLS = frozenset(
    (
        *("function_call", "custom_tool_call", "local_shell_call", "shell_call"),
        *("apply_patch_call", "tool_search_call"),
    )
)
"""Types of items that are calls of tools that a client runs."""

_CONTENT = frozenset(("output_item.added", "output_item.done"))
_MODEL = "gpt-5.1"
_EXAMPLES: Mapping[str, Any] = {
    "A question": {"model": _MODEL, "input": "What is the capital of France?"},
    "A streamed answer": {
        "model": _MODEL,
        "instructions": "Answer in one sentence.",
        "input": [{"role": "user", "content": "Why is the sky blue?"}],
        "stream": True,
    },
    "A tool": {
        "model": _MODEL,
        "input": "How warm is it in Oslo?",
        "tools": [
            {
                "type": "function",
                "name": "get_temperature",
                "description": "The current temperature in a city, in degrees Celsius.",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                    "additionalProperties": False,
                },
                "strict": True,
            }
        ],
    },
}


class ResponsesAsk(Ask):
    """What a response asks for."""

    __slots__ = ()

    def prompt(self) -> tuple[int, int]:
        """An estimate by the size of the JSON; if there are media, by the texts inside."""
        call = self.call
        media = list(_media_parts(call.body))
        if not media:
            return -(-len(call.raw) // BYTES_PER_TOKEN), 0
        return RESPONSES.estimate_prompt(call.body), media.count("input_image")

    def output(self) -> Output:
        """One choice of at most `max_output_tokens`, reasoning included."""
        bound = self.call.body.get("max_output_tokens")
        return Output(1, int(bound)) if bound else ONE_OUTPUT

    def context(self) -> int:
        """The input's texts, and the most that the output may come to."""
        return RESPONSES.estimate_prompt(self.call.body) + (self.output().bound or 0)

    def needs(self) -> Mapping[str, str]:
        """Kinds of media, tools, structured outputs."""
        body = self.call.body
        needs = {_MEDIA[kind]: "input" for kind in _media_parts(body)}
        if body.get("tools"):
            needs["tools"] = "tools"
        elif any(item.get("type") == "additional_tools" for item in _items(body)):
            needs["tools"] = "input"
        text = body.get("text") or {}
        if (text.get("format") or {}).get("type") == "json_schema":
            needs["structured_outputs"] = "text.format"
        return needs

    def temperature(self) -> float:
        """The client's, or OpenAI's default."""
        given = self.call.body.get("temperature")
        return TEMPERATURE if given is None else float(given)


class CompactAsk(ResponsesAsk):
    """What compacting a conversation asks for."""

    __slots__ = ()

    def output(self) -> Output:
        """As much as comes in, at most: no field bounds it."""
        return Output(1, max(self.prompt()[0], 1))


_RUN_CODE = frozenset(("code_interpreter", "shell"))
"""Tools of vendors that run code in containers."""


class Responses(OpenAIEndpoint):
    """Items in, items out."""

    name: ClassVar[str] = "responses"
    path: ClassVar[str] = "/v1/responses"
    rules: ClassVar[Sequence[Rule]] = (
        rules.stream_options_need_stream,
        rules.calls_have_outputs,
    )
    stored_name: ClassVar[str] = "responses.stored"
    """What a provider calls what it does with the responses that it keeps."""
    count_name: ClassVar[str] = "responses.input_tokens"
    count_path: ClassVar[str] = "/v1/responses/input_tokens"
    prompt_field: ClassVar[str] = "input"
    bound_fields: ClassVar[tuple[str, ...]] = ("max_output_tokens",)
    body_bytes: ClassVar[int] = LARGE_BODY
    effort_fields: ClassVar[tuple[str, ...]] = ("reasoning.effort",)
    content: ClassVar[str] = "output"
    prompt_fields: ClassVar[tuple[str, ...]] = ("instructions", "input", "tools")
    streams: ClassVar[bool] = True
    forwarded_headers: ClassVar[tuple[str, ...]] = (_LITE,)
    otel_operation: ClassVar[str] = "chat"
    documentation: ClassVar[Documentation] = Documentation(
        summary="Create a response",
        description="As in the OpenAI API, with any model of `GET /v1/models`: where a provider "
        "has only chat completions, the request is translated. With `stream`, the response is a "
        "stream of events, each with a `ResponsesEvent`.",
        examples=_EXAMPLES,
        chunk="responses.event",
        ends_with_done=False,
    )

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return ResponsesAsk(call)

    def count(self, call: Call, model: str) -> int:
        """An estimate of the tokens of a request that rather errs high."""
        tokens, _ = self.ask(call).prompt()
        return math.ceil(tokens * HIGH)

    def counted(self, tokens: int) -> dict[str, Any]:
        """The JSON object of a count."""
        return {"object": "response.input_tokens", "input_tokens": tokens}

    def tool_call_ids(self, call: Call) -> list[str]:
        """The ids of the calls among the items of the input."""
        return [
            item["call_id"]
            for item in _items(call.body)
            if item.get("type") in _CALLS and isinstance(item.get("call_id"), str)
        ]

    def makers(self, call: Call) -> Makers:
        """Whose marks its `encrypted_content` has."""
        return makers_of(call)

    def marked(self, response: Body, provider: str) -> Body:
        """With a mark in each `encrypted_content`."""
        return marked(response, provider)

    def unmarked(self, call: Call, provider: str) -> Call:
        """With each `encrypted_content` as the provider made it."""
        return unmarked(call, provider)

    def is_kept(self, call: Call) -> bool:
        """Unless `store` is false."""
        return call.body.get("store") is not False

    def leaves_things(self, call: Call) -> bool:
        """Whether a tool may run code."""
        tools = call.body.get("tools") or ()
        return any(isinstance(tool, Mapping) and tool.get("type") in _RUN_CODE for tool in tools)

    def things(self, response: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
        """The containers in which code was run."""
        return {"containers": containers_in(response)}

    def previous(self, call: Call) -> str | None:
        """`previous_response_id`."""
        previous = call.body.get("previous_response_id")
        return previous if isinstance(previous, str) else None

    def references(self, call: Call) -> Sequence[Reference]:
        """The items of its input that are named by an id."""
        return references_in(_items(call.body))

    def resources(self, call: Call) -> Sequence[Named]:
        """Files, vector stores, containers and a conversation."""
        return of_responses(call)

    def items(self, call: Call) -> list[dict[str, Any]]:
        """The input; a text is the message of a user."""
        given = call.body.get("input")
        if isinstance(given, str):
            text = {"type": "input_text", "text": given}
            given = [{"type": "message", "role": "user", "content": [text]}]
        return [
            {"id": f"item_{call.id.removeprefix('req_')}{index}", **item}
            for index, item in enumerate(given or ())
        ]

    def continued(self, call: Call, items: Sequence[Mapping[str, Any]]) -> Call:
        """The items come first. They lose their ids, which no vendor has given them.

        References keep theirs: they are nothing else.
        """
        known = [item if is_reference(item) else _nameless(item) for item in items]
        own = self.items(call) if isinstance(call.body.get("input"), str) else _items(call.body)
        body = {**call.body, "input": [*known, *own]}
        previous = call.previous or body.pop("previous_response_id")
        body.pop("previous_response_id", None)
        return replace(call, body=body, raw=dump_json(body), previous=previous)

    def whole(self, call: Call, response: Body, model: str | None = None) -> Encoded:
        """The vendor's bytes as they are, or the JSON of what a plugin made.

        Raises:
            ProviderError: it is not a response in OpenAI's format.
        """
        body, raw = body_of(response)
        if not isinstance(body.get(self.content), list | tuple):
            raise Failure.unreadable_response()
        if model is not None:
            body, raw = {**body, "model": model}, None
        usage = read_response_usage(body.get("usage"))
        if usage is None:
            usage = self.estimate(call, _size(body[self.content]))
            if raw is None:
                body = {**body, "usage": response_usage_body(usage)}
        return Encoded(written(body) if raw is None else raw, JSON, usage)

    def has_content(self, chunk: Body) -> bool:
        """Whether there is a piece of a text or of a tool's arguments, or an item that is one."""
        body = chunk.body if isinstance(chunk, Relayed) else chunk
        kind = body.get("type") if isinstance(body, Mapping) else None
        if not isinstance(kind, str):
            return text_size(body) > 0
        if kind.endswith(".delta"):
            return bool(body.get("delta"))  # type: ignore[union-attr]
        if kind.removeprefix("response.") in _CONTENT:
            item = body.get("item")  # type: ignore[union-attr]
            return isinstance(item, Mapping) and item.get("type") not in ("message", "reasoning")
        return "partial_image" in kind or kind == "response.completed"

    def encoder(self, call: Call, model: str | None = None) -> StreamEncoder:
        """What makes the bytes of a stream."""
        return ResponsesEncoder(self, call, model)

    def outline(self, call: Call, model: str | None = None) -> dict[str, Any]:
        """A response of which nothing is known but what was asked for.

        Args:
            call: what the client asked for.
            model: what the response is to call the model; None for what the client did.
        """
        body = call.body
        return {
            "id": f"resp_{call.id.removeprefix('req_')}",
            "object": "response",
            "created_at": int(time.time()),
            "status": "in_progress",
            "error": None,
            "incomplete_details": None,
            "model": model or call.model,
            "output": [],
            "parallel_tool_calls": body.get("parallel_tool_calls") is not False,
            "previous_response_id": call.previous or body.get("previous_response_id"),
            "tool_choice": body.get("tool_choice") or "auto",
            "tools": body.get("tools") or [],
        }

    def join(self, events: bytes) -> dict[str, Any]:
        """The response that the events of a stream amount to."""
        return join_events(events)

    def trim(self, joined: dict[str, Any], without_end: Callable[[str], str]) -> None:
        """Removes the ends of texts, and all else: half a property fits no rule of redaction."""
        joined["output"] = [
            {name: item.get(name) for name in ("type", "id")} | _trimmed(item, without_end)
            for item in joined["output"]
            if isinstance(item, dict)
        ]


class ResponsesCompact(Responses):
    """A conversation in, the same in fewer tokens out; only vendors that have it can.

    https://platform.openai.com/docs/api-reference/responses/compact.
    """

    name: ClassVar[str] = "responses.compact"
    path: ClassVar[str] = "/v1/responses/compact"
    count_name: ClassVar[str] = ""
    count_path: ClassVar[str] = ""
    rules: ClassVar[Sequence[Rule]] = ()
    bound_fields: ClassVar[tuple[str, ...]] = ()
    streams: ClassVar[bool] = False
    documentation: ClassVar[Documentation] = Documentation(
        summary="Compact a conversation",
        description="As in the OpenAI API, where the provider has it.",
        examples={"A conversation": {"model": _MODEL, "input": "What is the capital of France?"}},
    )

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return CompactAsk(call)

    def is_kept(self, call: Call) -> bool:
        """It never is."""
        return False


def _trimmed(item: Mapping[str, Any], without_end: Callable[[str], str]) -> dict[str, Any]:
    """The texts of an item, each without its end."""
    text = item.get("text")
    kept: dict[str, Any] = {"text": without_end(text)} if isinstance(text, str) else {}
    content = item.get("content")
    if isinstance(content, list):
        kept["content"] = [
            {"type": part.get("type"), "text": without_end(part["text"])}
            for part in content
            if isinstance(part, Mapping) and isinstance(part.get("text"), str)
        ]
    return kept


def _items(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = body.get("input")
    return found if isinstance(found, list) else []


def _nameless(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in item if name != "id"}


def _media_parts(body: Mapping[str, Any]) -> Iterator[str]:
    """The types of the parts of the input that are not text: images, audio, files."""
    for item in _items(body):
        for name in ("content", "output"):
            parts = item.get(name)
            if isinstance(parts, list):
                for part in parts:
                    kind = part.get("type") if isinstance(part, Mapping) else None
                    if isinstance(kind, str) and kind in _MEDIA:
                        yield kind


def _size(output: Sequence[Any]) -> int:
    """UTF-8 bytes of text in the items of a whole response."""
    return sum(
        text_size(value)
        for item in output
        if isinstance(item, Mapping)
        for name, value in item.items()
        if name not in LABELS and name not in ("status", "call_id", "encrypted_content")
    )


RESPONSES = Responses()
RESPONSES_COMPACT = ResponsesCompact()
