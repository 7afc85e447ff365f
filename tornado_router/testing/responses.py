"""Responses in OpenAI's format, whole and streamed: what bridges translate in the kit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tornado_router import endpoints

TEXT = "Ünïcödé 世界 🎉 \u2028 \u2029 e\u0301, and then"
USAGE = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "total_tokens": 18,
    "prompt_tokens_details": {"cached_tokens": 3},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


@dataclass(frozen=True)
class ResponseSample:
    """One response.

    Attributes:
        label: what is special about it.
        whole: the body.
        chunks: the same as a stream.
        asks: by the endpoint that a client calls, the fields of a request that such a response is
            for; empty if it is for any request of any endpoint.
    """

    label: str
    whole: Mapping[str, Any]
    chunks: Sequence[Mapping[str, Any]]
    asks: Mapping[str, Mapping[str, Any]]


def _token(text: str) -> dict[str, Any]:
    top = [{"token": text, "logprob": -0.5, "bytes": None}]
    return {"token": text, "logprob": -0.5, "bytes": None, "top_logprobs": top}


def _chat(label: str, *texts: str, reason: str = "stop", **special: Any) -> ResponseSample:
    """A chat completion with a choice for each text, each streamed in two pieces."""
    head = {"id": "chatcmpl-1", "created": 1790000000, "model": "vendor-model", "vendor": {"a": 1}}
    name, with_logprobs = special.get("name", "content"), special.get("logprobs", False)
    choices, chunks = [], []

    def chunk(index: int, reason: str | None = None, **delta: Any) -> dict[str, Any]:
        text = delta.get(name)
        logprobs = {"content": [_token(text)]} if with_logprobs and text else None
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return {**head, "object": "chat.completion.chunk", "choices": [choice]}

    for index, text in enumerate(texts):
        pieces = [text[: len(text) // 2], text[len(text) // 2 :]]
        message = {"role": "assistant", "content": None, "refusal": None, name: text}
        logprobs = {"content": list(map(_token, pieces))} if with_logprobs else None
        choices.append(
            {"index": index, "message": message, "logprobs": logprobs, "finish_reason": reason}
        )
        chunks.append(chunk(index, role="assistant", content="" if name == "content" else None))
        chunks += [chunk(index, **{name: piece}) for piece in pieces if piece]
        chunks.append(chunk(index, reason))
    whole = {**head, "object": "chat.completion", "choices": choices, "usage": USAGE}
    last = {**head, "object": "chat.completion.chunk", "choices": [], "usage": USAGE}
    return ResponseSample(label, whole, (*chunks, last), special.get("asks", {}))


def _with_calls(label: str, *calls: Sequence[str], **said: str) -> ResponseSample:
    """A chat completion that calls tools, each by id, name and the pieces of its arguments.

    Args:
        label: what is special about it.
        calls: of the tools.
        said: texts of the message, by their fields, before that.
    """
    head: dict[str, Any] = {"id": "chatcmpl-1", "created": 1790000000, "model": "vendor-model"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{name: text} for name, text in said.items()]
    made = []
    for index, (ref, name, *pieces) in enumerate(calls):
        begin: dict[str, Any] = {"index": index, "id": ref, "type": "function"}
        deltas.append({"tool_calls": [{**begin, "function": {"name": name, "arguments": ""}}]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]} for piece in pieces
        ]
        function = {"name": name, "arguments": "".join(pieces)}
        made.append({"id": ref, "type": "function", "function": function})
    message: dict[str, Any] = {"role": "assistant", "content": None, **said}
    reason = "stop"
    if made:
        message["tool_calls"], reason = made, "tool_calls"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    whole = {**head, "object": "chat.completion", "choices": [choice], "usage": USAGE}
    found: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    found.append({"index": 0, "delta": {}, "finish_reason": reason})
    head["object"] = "chat.completion.chunk"
    chunks = [{**head, "choices": [one]} for one in found]
    return ResponseSample(label, whole, (*chunks, {**head, "choices": [], "usage": USAGE}), _AGENTS)


_AGENTS: Mapping[str, Mapping[str, Any]] = {
    endpoints.MESSAGES.name: {"thinking": {"type": "adaptive"}},
    endpoints.RESPONSES.name: {},
}
"""The endpoints whose responses have calls and reasoning, each with what asks for the latter."""


def _token_of_response(text: str) -> dict[str, Any]:
    return {**_token(text), "bytes": [], "top_logprobs": [{**_token(text), "bytes": []}]}


def _said(text: str, kind: str = "output_text", **fields: Any) -> dict[str, Any]:
    """A message that is one text, or one refusal."""
    part = {"type": kind, "text" if kind == "output_text" else kind: text, **fields}
    if kind == "output_text":
        part = {"annotations": [], **part}
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": [part]}


def _thought(text: str) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": text}]
    return {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "abc"}


def _called(call_id: str, name: str, text: str, kind: str = "function_call") -> dict[str, Any]:
    field = "arguments" if kind == "function_call" else "input"
    return {"type": kind, "id": f"fc_{call_id}", "call_id": call_id, "name": name, field: text}


def _response(label: str, *items: Mapping[str, Any], **fields: Any) -> ResponseSample:
    """A response of some items, each streamed in two pieces.

    Args:
        label: what is special about it.
        items: of its output.
        fields: of the response; `asks` as in a sample.
    """
    asks = fields.pop("asks", {})
    head: dict[str, Any] = {
        **{"id": "resp_1", "object": "response", "created_at": 1790000000},
        **{"model": "vendor-model", "parallel_tool_calls": True, "tool_choice": "auto"},
        "tools": [],
    }
    output = [{"status": "completed", **item} for item in items]
    usage = {
        **{"input_tokens": 11, "output_tokens": 7, "total_tokens": 18},
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    whole = {**head, "status": "completed", "output": output, "usage": usage, **fields}
    begun = {**head, "status": "in_progress", "output": []}
    events: list[dict[str, Any]] = [
        {"type": f"response.{kind}", "response": begun} for kind in ("created", "in_progress")
    ]
    for index, item in enumerate(output):
        place = {"output_index": index, "item_id": item["id"]}
        events += [{**event, **place} for event in _item_events(item)]
    kind = "response.completed" if whole["status"] == "completed" else "response.incomplete"
    events.append({"type": kind, "response": whole})
    chunks = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    return ResponseSample(label, whole, chunks, asks)


def _item_events(item: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The events of one item."""
    begun, name, place = {**item, "status": "in_progress"}, "", {}
    parts: Sequence[Mapping[str, Any]] = item.get("content") or item.get("summary") or ()
    match item["type"]:
        case "message":
            kind = parts[0]["type"]
            begun["content"], place = [], {"content_index": 0}
            name, text = kind, parts[0]["text" if kind == "output_text" else kind]
        case "reasoning":
            begun |= {"summary": [], "encrypted_content": ""}
            name, text, place = "reasoning_summary_text", parts[0]["text"], {"summary_index": 0}
        case "function_call":
            name, text, begun["arguments"] = "function_call_arguments", item["arguments"], ""
        case _:
            name, text, begun["input"] = "custom_tool_call_input", item["input"], ""
    yield {"type": "response.output_item.added", "item": begun}
    for number, piece in enumerate((text[: len(text) // 2], text[len(text) // 2 :])):
        delta = {"type": f"response.{name}.delta", "delta": piece, **place}
        if name == "output_text":
            delta["logprobs"] = parts[0].get("logprobs", [])[number : number + 1]
        yield delta
    yield {"type": "response.output_item.done", "item": item}


_HALVES = (TEXT[: len(TEXT) // 2], TEXT[len(TEXT) // 2 :])

RESPONSES: Mapping[str, tuple[ResponseSample, ...]] = {
    endpoints.CHAT_COMPLETIONS.name: (
        _chat("a text", TEXT),
        _chat("two choices", TEXT, "other", asks={endpoints.COMPLETIONS.name: {"n": 2}}),
        _chat("a text that was cut off", TEXT, reason="length"),
        _chat("a refusal", TEXT, name="refusal"),
        _chat("a text that was filtered", TEXT, reason="content_filter"),
        _chat("no text", ""),
        _chat(
            "log probabilities",
            TEXT,
            logprobs=True,
            asks={
                endpoints.COMPLETIONS.name: {"logprobs": 1},
                endpoints.RESPONSES.name: {
                    "include": ["message.output_text.logprobs"],
                    "top_logprobs": 1,
                },
            },
        ),
        _with_calls("a tool call", ("call_1", "get_weather", '{"city":', '"\u2028"}')),
        _with_calls(
            "two tool calls behind a text",
            ("call_1", "get_weather", '{"city":"Paris"}'),
            ("call_2", "get_time", "{}"),
            content=TEXT,
        ),
        _with_calls("reasoning", reasoning_content=TEXT, content="Sunny."),
        _with_calls("reasoning alone", reasoning_content=TEXT),
    ),
    endpoints.RESPONSES.name: (
        _response("a text", _said(TEXT)),
        _response(
            "a text that was cut off",
            _said(TEXT),
            status="incomplete",
            incomplete_details={"reason": "max_output_tokens"},
        ),
        _response("a refusal", _said(TEXT, "refusal")),
        _response(
            "a text that was filtered",
            _said(TEXT),
            status="incomplete",
            incomplete_details={"reason": "content_filter"},
        ),
        _response("no output"),
        _response(
            "log probabilities",
            _said(TEXT, logprobs=list(map(_token_of_response, _HALVES))),
            asks={endpoints.CHAT_COMPLETIONS.name: {"logprobs": True, "top_logprobs": 1}},
        ),
        _response("a tool call", _called("call_1", "get_weather", '{"city":"\u2028"}')),
        _response(
            "reasoning, a text and two tool calls",
            _thought(TEXT),
            _said("Let me see."),
            _called("call_1", "get_weather", '{"city":"Paris"}'),
            _called("call_2", "get_time", "{}"),
        ),
        _response("a custom tool", _called("call_1", "sh", TEXT, "custom_tool_call")),
    ),
}
"""By endpoint."""
