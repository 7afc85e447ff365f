"""`POST /v1/chat/completions`: https://platform.openai.com/docs/api-reference/chat."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from tornado_router.endpoints import rules
from tornado_router.endpoints.ask import ONE_OUTPUT, Ask, Output
from tornado_router.endpoints.base import Documentation, StreamEncoder
from tornado_router.endpoints.estimates import LABELS, audio_size, byte_size, text_size
from tornado_router.endpoints.named_resources import of_chat
from tornado_router.endpoints.openai_format import ChoicesEndpoint
from tornado_router.endpoints.openai_stream import ChunkEncoder, add_piece, index_of, join_chunks
from tornado_router.endpoints.resource_ids import Named
from tornado_router.provider import Call, output_bounds
from tornado_router.usage import BYTES_PER_TOKEN, NO_AMOUNTS, Amounts
from tornado_router.validation.validator import Rule

TEMPERATURE = 1.0
"""Of a request that sets none: https://platform.openai.com/docs/api-reference/chat/create."""

_MEDIA = {"image_url": "images", "input_audio": "audio", "file": "files"}
_MODEL = "gpt-4o-mini"
_EXAMPLES: Mapping[str, Any] = {
    "A question": {
        "model": _MODEL,
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
    },
    "A streamed answer": {
        "model": _MODEL,
        "messages": [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "Why is the sky blue?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
    },
    "A tool": {
        "model": _MODEL,
        "messages": [{"role": "user", "content": "How warm is it in Oslo?"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "get_temperature",
                    "description": "The current temperature in a city, in degrees Celsius.",
                    "parameters": {
                        "type": "object",
                        "properties": {"city": {"type": "string"}},
                        "required": ["city"],
                    },
                },
            }
        ],
    },
    "An image": {
        "model": _MODEL,
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is in this picture?"},
                    {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
                ],
            }
        ],
    },
    "A JSON answer": {
        "model": _MODEL,
        "messages": [{"role": "user", "content": "Name the largest city of Japan."}],
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                "name": "city",
                "strict": True,
                "schema": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}},
                    "required": ["city"],
                    "additionalProperties": False,
                },
            },
        },
    },
}


class ChatAsk(Ask):
    """What a chat completion asks for."""

    __slots__ = ("_media",)

    def __init__(self, call: Call) -> None:
        self.call = call
        self._media: list[str] | None = None

    def prompt(self) -> tuple[int, int]:
        """An estimate by the size of the JSON; if there are media, by the texts inside."""
        call = self.call
        media = self._media_parts()
        if not media:
            return -(-len(call.raw) // BYTES_PER_TOKEN), 0
        return CHAT_COMPLETIONS.estimate_prompt(call.body), media.count("image_url")

    def amounts(self, seen: int) -> Amounts:
        """Images, and whether tokens may be of audio or of images."""
        call = self.call
        has_media = seen or call.body.get("modalities") or "input_audio" in self._media_parts()
        return Amounts(seen, has_media=True) if has_media else NO_AMOUNTS

    def _media_parts(self) -> list[str]:
        """As `_media_parts`, which is asked once: most calls are asked for it twice."""
        if self._media is None:
            self._media = _media_parts(self.call.body)
        return self._media

    def output(self) -> Output:
        """`n` choices of at most `max_completion_tokens`, or `max_tokens`: the lesser is sent."""
        bound, n = self._bound(), self.call.body.get("n")
        return Output(int(n or 1), bound or None) if bound or n else ONE_OUTPUT

    def context(self) -> int:
        """The prompt's texts, and the most that one choice may come to."""
        return CHAT_COMPLETIONS.estimate_prompt(self.call.body) + self._bound()

    def needs(self) -> Mapping[str, str]:
        """Kinds of media, tools, structured outputs."""
        body = self.call.body
        needs = {_MEDIA[kind]: "messages" for kind in self._media_parts() if kind in _MEDIA}
        if body.get("tools"):
            needs["tools"] = "tools"
        response_format = body.get("response_format")
        if response_format and response_format.get("type") == "json_schema":
            needs["structured_outputs"] = "response_format"
        return needs

    def reasons(self) -> bool:
        """By `reasoning_effort`."""
        return self.call.body.get("reasoning_effort") not in (None, "none")

    def temperature(self) -> float:
        """The client's, or OpenAI's default."""
        given = self.call.body.get("temperature")
        return TEMPERATURE if given is None else float(given)

    def _bound(self) -> int:
        bounds = output_bounds(self.call.body)
        return min(bounds) if bounds else 0


class ChatCompletions(ChoicesEndpoint):
    """Messages in, a message out."""

    name: ClassVar[str] = "chat.completions"
    path: ClassVar[str] = "/v1/chat/completions"
    rules: ClassVar[Sequence[Rule]] = (
        rules.stream_options_need_stream,
        rules.top_logprobs_need_logprobs,
        rules.tool_choice_needs_tools,
    )
    prompt_field: ClassVar[str] = "messages"
    bound_fields: ClassVar[tuple[str, ...]] = ("max_completion_tokens", "max_tokens")
    effort_fields: ClassVar[tuple[str, ...]] = ("reasoning_effort",)
    prompt_fields: ClassVar[tuple[str, ...]] = ("messages", "tools")
    otel_operation: ClassVar[str] = "chat"
    documentation: ClassVar[Documentation] = Documentation(
        summary="Create a chat completion",
        description="As in the OpenAI API, with any model of `GET /v1/models`. With `stream`, the "
        "response is a stream of events, each with a `ChatCompletionsChunk`.",
        examples=_EXAMPLES,
        chunk="chat.completions.chunk",
    )

    def read(self, call_id: str, body: Mapping[str, Any], raw: bytes) -> Call:
        """The call that a request amounts to. Of two bounds of its output, the lesser is left.

        What is reserved is what is sent then, whichever of the two a provider reads.
        """
        call = super().read(call_id, body, raw)
        bounds = output_bounds(body)
        return self.bounded(call, min(bounds)) if len(bounds) > 1 else call

    def ask(self, call: Call) -> Ask:
        """What a call asks for."""
        return ChatAsk(call)

    def leaves_things(self, call: Call) -> bool:
        """By `store`."""
        return call.body.get("store") is True

    def things(self, response: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
        """The response itself."""
        name = response.get("id")
        return {"chat/completions": [name]} if isinstance(name, str) else {}

    def resources(self, call: Call) -> Sequence[Named]:
        """Files, and a voice."""
        return of_chat(call)

    def tool_call_ids(self, call: Call) -> list[str]:
        """The ids in the messages of assistants."""
        return [
            tool_call["id"]
            for message in call.body.get("messages") or ()
            for tool_call in message.get("tool_calls") or ()
            if isinstance(tool_call.get("id"), str)
        ]

    def size(self, choice: Mapping[str, Any]) -> int:
        """UTF-8 bytes of text in a message or a delta: of every field, whatever its name."""
        size, part = 0, choice.get("delta") or choice.get("message") or {}
        for name, value in part.items():
            if value and name not in LABELS:
                if type(value) is str:
                    size += byte_size(value)
                elif name == "audio":
                    size += audio_size(value)
                elif name != "reasoning_details" or not part.get("reasoning"):  # the same text
                    size += text_size(value)
        return size

    def text(self, choice: Mapping[str, Any]) -> tuple[str, str]:
        """The first text in a delta, whatever its name."""
        for name, value in (choice.get("delta") or {}).items():
            if value and type(value) is str and name not in LABELS:
                return name, value
        return "", ""

    def choices(self, call: Call) -> int:
        """`n`."""
        return int(call.body.get("n") or 1)  # for JSON Schema, 2.0 is an integer

    def encoder(self, call: Call, model: str | None = None) -> StreamEncoder:
        """What makes the bytes of a stream."""
        return ChatEncoder(self, call, model)

    def join(self, events: bytes) -> dict[str, Any]:
        """The messages that the deltas of a stream amount to."""
        joined = join_chunks(events, _add_choice)
        for choice in joined["choices"]:
            calls = choice.pop("tool_calls", None)  # by their index
            if calls:
                message = choice["message"]
                message["tool_calls"] = [call for _, call in sorted(calls.items())]
        return joined

    def trim(self, joined: dict[str, Any], without_end: Callable[[str], str]) -> None:
        """Removes the ends of texts, and all else: half a property fits no rule of redaction."""
        for choice in joined["choices"]:
            message = choice.get("message") or {}
            for name in message.keys() - {"role"}:
                text = message.pop(name)
                if isinstance(text, str):
                    message[name] = without_end(text)


class ChatEncoder(ChunkEncoder):
    """Streams of `chat.completion.chunk`."""

    __slots__ = ()

    object: ClassVar[str] = "chat.completion.chunk"

    def ends(self) -> list[dict[str, Any]]:
        """An empty delta with a finish reason for each choice."""
        return [
            {"index": index, "delta": {}, "finish_reason": "length"}
            for index in range(self._choices)
        ]


def _media_parts(body: Mapping[str, Any]) -> list[str]:
    """The types of the parts of messages that are not text: images, audio, files."""
    contents = [message.get("content") for message in body.get("messages") or ()]
    if list not in map(type, contents):  # as in most calls
        return []
    lists = [content for content in contents if isinstance(content, list)]
    return [part["type"] for parts in lists for part in parts if part["type"] != "text"]


def _add_choice(known: dict[str, Any], choice: Mapping[str, Any]) -> None:
    message = known.setdefault("message", {})
    for name, value in (choice.get("delta") or {}).items():
        if name == "tool_calls" and isinstance(value, list):
            calls = known.setdefault("tool_calls", {})
            for call in value:
                _add_tool_call(calls.setdefault(index_of(call), {}), call)
        else:
            add_piece(message, name, value)


def _add_tool_call(known: dict[str, Any], call: Mapping[str, Any]) -> None:
    for name, value in call.items():
        if isinstance(value, Mapping):
            add_piece(known, name, value)
        elif name != "index":
            known[name] = value


CHAT_COMPLETIONS = ChatCompletions()
